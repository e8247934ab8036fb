"""The Glue jobs of the lakehouse as tasks, all set up alike, and the task that uploads what they run."""

import ast
import logging
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

from airflow.providers.amazon.aws.hooks.glue import GlueJobHook
from airflow.providers.amazon.aws.operators.glue import JOB_RUN_TERMINAL_STATES, GlueJobOperator
from airflow.sdk import Context, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from stedi.glue_code import upload_code
from stedi.s3 import s3_client
from stedi.settings import PROJECT, Settings

#: Errors of the jobs that another attempt would meet again.
FINAL_ERRORS = ("TooManyRejectedError", "MainMovedError", "NotStagedError")
#: Seconds between two looks at what a running job has printed.
OUTPUT_SECONDS = 2


@task(task_id="upload_code")
def upload_glue_code(settings: Settings) -> dict[str, str]:
    """{script or package: its S3 location}"""
    return upload_code(s3_client(settings), PROJECT / "glue_scripts", settings.bucket)


class _WithoutPolling:
    """A logger without the hook's polling messages, which would bury the job's own output."""

    # Airflow's loggers are structlog's: a logging.Filter never sees their messages.
    def __init__(self, log: Any) -> None:
        self._log = log

    def info(self, message: str, *arguments: Any) -> None:
        if not message.startswith(("Polling for AWS Glue Job", "No new log from the Glue Job")):
            self._log.info(message, *arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


class _Hook(GlueJobHook):
    """Looks at a running job's state at every poll, and at its output less often: that takes three requests."""

    _state = ""
    _looked_at_output = 0.0

    @property
    def log(self) -> Any:
        return _WithoutPolling(super().log)

    def get_job_state(self, job_name: str, run_id: str) -> str:
        self._state = super().get_job_state(job_name, run_id)
        return self._state

    def print_job_logs(self, job_name: str, run_id: str, continuation_tokens: Any) -> None:
        recently = time.monotonic() - self._looked_at_output < OUTPUT_SECONDS
        if recently and self._state not in JOB_RUN_TERMINAL_STATES:
            return
        self._looked_at_output = time.monotonic()
        super().print_job_logs(job_name, run_id, continuation_tokens)


class LakehouseGlueJob(GlueJobOperator):
    """A GlueJobOperator that logs the job's output without noise, takes over a run that an earlier attempt lost, and
    is not tried again after one of the ``FINAL_ERRORS``."""

    aws_hook_class = _Hook

    def submit_job(self, context: Context) -> str:
        """Takes over the job run that this DAG run already has, or starts one; returns its id."""
        # An attempt that is killed right after it started the job leaves a run behind, and Glue allows no second one.
        glue = self.hook.conn
        with suppress(glue.exceptions.EntityNotFoundException):
            for run in glue.get_job_runs(JobName=self.job_name)["JobRuns"]:
                of_this_run = run.get("Arguments", {}).get("--run_id") == self.script_args["--run_id"]
                if of_this_run and self.is_job_active(run["JobRunState"]):
                    self.log.info("Taking over the running job run %s", run["Id"])
                    return str(run["Id"])
        return super().submit_job(context)

    def poll_until_complete(self, external_id: Any, context: Context) -> None:
        try:
            super().poll_until_complete(external_id, context)
        except AirflowException:
            reason = failure(self.job_name, external_id) or ""
            if any(error in reason for error in FINAL_ERRORS):
                raise AirflowFailException(reason) from None
            raise


def failure(job_name: str, run_id: str) -> str | None:
    """Why a job run failed, in Glue's words; None if it did not."""
    run = GlueJobHook(job_name=job_name).conn.get_job_run(JobName=job_name, RunId=run_id)["JobRun"]
    reason: str | None = run.get("ErrorMessage")
    return reason


def log_glue_reason(context: Context) -> None:
    """Failure and retry callback: logs why the job run failed. The operator itself logs its state only."""
    task: Any = context["task"]
    run_id = context["ti"].xcom_pull(task_ids=task.task_id, key="glue_job_run_id")
    if run_id and (reason := failure(task.job_name, run_id)):
        logging.getLogger(__name__).error("Glue job %s, run %s: %s", task.job_name, run_id, reason)


def glue_job(settings: Settings, name: str, description: str, script_args: dict[str, str]) -> LakehouseGlueJob:
    """The task that runs the Glue job ``name``, whose script has the same name; ``upload_code`` must run before it.

    ``script_args`` are the script's own arguments (templated); ``--run_id`` and ``--database`` come by themselves.
    """
    spark = {
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.catalog.glue_catalog": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.glue_catalog.catalog-impl": "org.apache.iceberg.aws.glue.GlueCatalog",
        "spark.sql.catalog.glue_catalog.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        "spark.sql.catalog.glue_catalog.warehouse": f"s3://{settings.bucket}/warehouse",
        # Small enough pieces for the memory of a worker; adaptive execution joins those that are too small to pay.
        "spark.sql.adaptive.enabled": "true",
        "spark.sql.shuffle.partitions": "8",
    }
    script = ast.parse((PROJECT / "glue_scripts" / f"{name}.py").read_text())
    script_location = f"{{{{ ti.xcom_pull('upload_code')['{name}'] }}}}"
    return LakehouseGlueJob(
        task_id=name,
        doc_md=ast.get_docstring(script),
        job_name=settings.job_name(name),
        job_desc=description,
        script_location=script_location,
        script_args={"--run_id": "{{ run_id }}", "--database": settings.database, **script_args},
        iam_role_arn=settings.glue_role_arn,
        create_job_kwargs={
            # Whole, as Glue gives it back: a job that differs from what Glue has is updated before it runs.
            "Command": {"Name": "glueetl", "ScriptLocation": script_location, "PythonVersion": "3"},
            "GlueVersion": "5.1",
            "ExecutionClass": settings.execution_class,
            "WorkerType": settings.worker_type,
            "NumberOfWorkers": settings.number_of_workers,
            "Timeout": 60,  # minutes
            "DefaultArguments": {
                "--datalake-formats": "iceberg",
                "--extra-py-files": "{{ ti.xcom_pull('upload_code')['lakehouse'] }}",
                # Glue takes several settings as one argument.
                "--conf": " --conf ".join(f"{setting}={value}" for setting, value in spark.items()),
            },
        },
        update_config=True,
        retry_limit=0,  # retries are Airflow's
        stop_job_run_on_kill=True,
        verbose=True,
        job_poll_interval=settings.poll_seconds,
        # Longer than Glue's own timeout, which ends a slow job: this one ends the wait for a state that never comes.
        execution_timeout=timedelta(minutes=70),
        on_failure_callback=log_glue_reason,
        on_retry_callback=log_glue_reason,
    )
