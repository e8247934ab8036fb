"""Airflow with its scheduler: a task that is killed, and two runs of the DAG at once."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import closing

import pytest
from ports import free_port

from local_aws.settings import LocalAws

from .conftest import PROJECT

DAG = "stedi_lakehouse"


class Airflow:
    """``make ui`` on a lake of its own, and what its metadata database says."""

    def __init__(self, root) -> None:
        self.root, self.port, self.aws = root, free_port(), LocalAws(free_port(), root / "aws")
        jars = os.environ.get("STEDI_JARS") or str(PROJECT / ".local" / "jars")
        environment = {"STEDI_LOCAL": str(root), "LOCAL_AWS_PORT": str(self.aws.port), "STEDI_JARS": jars}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local_aws", "ui", "--port", str(self.port)],
            cwd=PROJECT,
            env=os.environ | environment | {"STEDI_RETRY_SECONDS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def rows(self, sql: str, *values: str) -> list[tuple]:
        with closing(sqlite3.connect(self.root / "airflow" / "airflow.db", timeout=30)) as database:
            return database.execute(sql, values).fetchall()

    def runs(self) -> list[tuple[str, str]]:
        """(run id, state), the oldest first."""
        return self.rows("SELECT run_id, state FROM dag_run WHERE dag_id = ? ORDER BY id", DAG)

    def task(self, run_id: str, task_id: str) -> tuple[str | None, int, int | None]:
        """(state, attempt, process)"""
        sql = "SELECT state, try_number, pid FROM task_instance WHERE dag_id = ? AND run_id = ? AND task_id = ?"
        return self.rows(sql, DAG, run_id, task_id)[0]

    def trigger(self) -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/auth/token") as answer:
            token = json.load(answer)["access_token"]
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v2/dags/{DAG}/dagRuns",
            data=b'{"logical_date": null}',
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        urllib.request.urlopen(request).close()


def wait_for(condition, seconds: float = 300):
    """What the condition gives, once that is something."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return found


@pytest.fixture
def airflow(tmp_path):
    airflow = Airflow(tmp_path)
    try:
        wait_for(lambda: airflow.process.stdout.readline().startswith("Airflow: "))
        yield airflow
    finally:
        airflow.process.send_signal(signal.SIGINT)
        airflow.process.communicate(timeout=120)


@pytest.mark.exhaustive
def test_the_retry_of_a_killed_task_takes_its_glue_job_over_and_a_second_run_waits_for_the_first(airflow):
    wait_for(lambda: airflow.rows("SELECT 1 FROM dag WHERE dag_id = ?", DAG))
    airflow.trigger()
    airflow.trigger()
    (first, _), (second, _) = airflow.runs()
    glue, job = airflow.aws.client("glue"), "customer_trusted"
    job_runs = wait_for(lambda: job in glue.list_jobs()["JobNames"] and glue.get_job_runs(JobName=job)["JobRuns"])
    # Until Airflow has noted the id of the job run, the retry cannot know of it.
    wait_for(lambda: airflow.rows("SELECT 1 FROM task_state_store WHERE value LIKE ?", f"%{job_runs[0]['Id']}%"))

    os.kill(airflow.task(first, job)[2], signal.SIGKILL)

    def first_has_ended() -> bool:
        states = dict(airflow.runs())
        assert states[first] != "running" or states[second] == "queued"
        return states[first] in ("success", "failed")

    wait_for(first_has_ended, seconds=600)
    assert dict(airflow.runs())[first] == "success", airflow.rows("SELECT run_id, task_id, state FROM task_instance")
    assert airflow.task(first, job)[:2] == ("success", 2)
    assert [run["Id"] for run in glue.get_job_runs(JobName=job)["JobRuns"]] == [job_runs[0]["Id"]]
    wait_for(lambda: dict(airflow.runs())[second] == "success", seconds=600)
