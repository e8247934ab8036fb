"""Glue jobs made of a script's text, on a local AWS; and what tests ask about processes."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dev.settings import lakehouse_settings
from local_aws.settings import LocalAws
from stedi.glue_job import conf_argument, spark_conf

BUCKET = "test-bucket"
ROLE = "test-role"
ICEBERG_CONF = conf_argument(spark_conf(replace(lakehouse_settings(), bucket=BUCKET)))


class Jobs:
    """Glue jobs of one local AWS, each made of a script's text."""

    def __init__(self, local_aws: LocalAws) -> None:
        self.aws = local_aws
        self.glue = local_aws.client("glue")
        self.s3 = local_aws.client("s3")

    def create(self, name: str, script: str | None, **definition) -> str:
        """Creates the job ``name`` (or gives it a new definition); without a script, its script is missing."""
        key = f"scripts/{name}.py"
        self.s3.delete_object(Bucket=BUCKET, Key=key)
        if script is not None:
            self.s3.put_object(Bucket=BUCKET, Key=key, Body=script)
        self.glue.delete_job(JobName=name)
        self.glue.create_job(Name=name, **self.definition(name, **definition))
        return name

    def definition(self, name: str, **definition) -> dict:
        """What ``CreateJob`` needs beside the name, with ``definition`` in front."""
        return {
            "Role": f"arn:aws:iam::000000000000:role/{ROLE}",
            "Command": {"Name": "glueetl", "ScriptLocation": f"s3://{BUCKET}/scripts/{name}.py"},
            "GlueVersion": "5.1",
            "WorkerType": "G.1X",
            "NumberOfWorkers": 2,
            "Timeout": 600,
            **definition,
        }

    def start(self, name: str, **request) -> str:
        return self.glue.start_job_run(JobName=name, **request)["JobRunId"]

    def get(self, name: str, run_id: str) -> dict:
        return self.glue.get_job_run(JobName=name, RunId=run_id)["JobRun"]

    def wait(self, name: str, run_id: str, until: Callable[[dict], bool] | None = None, seconds: float = 300) -> dict:
        """The run once ``until`` holds; by default, once it ended."""
        until = until or (lambda run: run["JobRunState"] not in ("STARTING", "RUNNING", "STOPPING"))
        deadline = time.monotonic() + seconds
        while not until(run := self.get(name, run_id)):
            assert time.monotonic() < deadline, run
            time.sleep(0.1)
        return run

    def run(self, name: str, script: str | None, *, arguments: dict | None = None, **definition) -> dict:
        """Creates a job, runs it once, and gives the ended run."""
        self.create(name, script, **definition)
        return self.wait(name, self.start(name, Arguments=arguments or {}))

    def log(self, run: dict, group: str = "output") -> list[str]:
        request = {"logGroupName": f"/aws-glue/jobs/{group}", "logStreamNames": [run["Id"]]}
        logs = self.aws.client("logs")
        try:
            pages = list(logs.get_paginator("filter_log_events").paginate(**request))
        except logs.exceptions.ResourceNotFoundException:  # nothing was ever logged here
            return []
        return [event["message"] for page in pages for event in page["events"]]


def processes_with(text: str) -> list[Path]:
    """The living processes whose command line or environment holds a text (a run's id, a state directory)."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (process / "cmdline").read_bytes() + (process / "environ").read_bytes():
                found.append(process)
        except OSError:
            continue
    return found
