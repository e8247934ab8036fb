"""The Glue jobs of the lakehouse as tasks, all set up alike, and the task that uploads what they run."""

import ast
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

from airflow.providers.amazon.aws.hooks.logs import AwsLogsHook
from airflow.providers.amazon.aws.links.glue import GlueJobRunDetailsLink
from airflow.providers.amazon.aws.operators.glue import GlueJobOperator
from airflow.sdk import Context, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from botocore.exceptions import ClientError

from stedi.glue_code import upload_code
from stedi.s3 import s3_client
from stedi.settings import PROJECT, Settings

#: Errors of the jobs that another attempt would meet again.
FINAL_ERRORS = ("TooManyRejectedError", "MainMovedError", "NotStagedError")
#: States of a job run that it does not leave.
ENDED = ("SUCCEEDED", "STOPPED", "FAILED", "TIMEOUT", "ERROR", "EXPIRED")
#: Seconds between two looks at what a running job has printed.
OUTPUT_SECONDS = 2


@task(task_id="upload_code")
def upload_glue_code(settings: Settings) -> dict[str, str]:
    """{script or package: its S3 location}"""
    return upload_code(s3_client(settings), PROJECT / "glue_scripts", settings.bucket)


class LakehouseGlueJob(GlueJobOperator):
    """A GlueJobOperator that takes over the job run that an earlier attempt left behind, logs what the job prints and
    nothing else, and fails with Glue's reason, also when somebody stops the job run. After one of the ``FINAL_ERRORS``
    it is not tried again."""

    # What the provider's own execute does about these differs from version to version; hook and arguments are stable.

    job_run_id: str | None = None

    def execute(self, context: Context) -> str:
        """Returns the id of the job run."""
        run_id = self._active_run()
        if run_id:
            self.log.info("Taking over the job run %s", run_id)
        else:
            run_id = self.hook.initialize_job(self.script_args, self.run_job_kwargs)["JobRunId"]
            self.log.info("Started the job run %s", run_id)
        self.job_run_id = run_id
        context["ti"].xcom_push(key="glue_job_run_id", value=run_id)
        GlueJobRunDetailsLink.persist(
            context=context,
            operator=self,
            region_name=self.hook.conn_region_name,
            aws_partition=self.hook.conn_partition,
            job_name=self.job_name,
            job_run_id=run_id,
        )
        state = self._wait(run_id)
        if state != "SUCCEEDED":
            run = self.hook.conn.get_job_run(JobName=self.job_name, RunId=run_id)["JobRun"]
            reason = run.get("ErrorMessage") or f"The run {run_id} of the Glue job {self.job_name} is {state}"
            # The exception has it too, but where Airflow's UI shows it folded up.
            self.log.error("%s", reason)
            final = any(error in reason for error in FINAL_ERRORS)
            raise AirflowFailException(reason) if final else AirflowException(reason)
        return run_id

    def on_kill(self) -> None:
        """Stops the job run."""
        if self.stop_job_run_on_kill and self.job_run_id:
            self.log.info("Stopping the job run %s", self.job_run_id)
            self.hook.conn.batch_stop_job_run(JobName=self.job_name, JobRunIds=[self.job_run_id])

    def _active_run(self) -> str | None:
        """The id of the job run that this DAG run already has: an attempt that is killed leaves it behind, and Glue
        allows no second one."""
        for run in job_runs(self.hook.conn, self.job_name, self.script_args["--run_id"]):
            if run["JobRunState"] not in (*ENDED, "STOPPING"):
                return str(run["Id"])
        return None

    def _wait(self, run_id: str) -> str:
        """The state in which the job run has ended; logs meanwhile what the job prints."""
        run = self.hook.conn.get_job_run(JobName=self.job_name, RunId=run_id)["JobRun"]
        read, looked = AwsLogsHook.ContinuationToken(), 0.0
        while True:
            # The hook's, which tries again where Glue throttles.
            ended = (state := self.hook.get_job_state(self.job_name, run_id)) in ENDED
            if ended or time.monotonic() - looked >= OUTPUT_SECONDS:
                self._log_output(f"{run['LogGroupName']}/output", run_id, read)
                looked = time.monotonic()
            if ended:
                return state
            time.sleep(self.job_poll_interval)

    def _log_output(self, group: str, stream: str, read: AwsLogsHook.ContinuationToken) -> None:
        logs = self.hook.logs_hook
        try:
            for event in logs.get_log_events(group, stream, continuation_token=read):
                self.log.info("%s", event["message"])
        except logs.conn.exceptions.ResourceNotFoundException:
            pass  # a job that starts has no log yet
        except ClientError as error:  # throttled, or not allowed: no reason to give the job up
            self.log.warning("Cannot read what the job prints: %s", error)


def job_runs(glue: Any, job_name: str, run_id: str) -> list[dict[str, Any]]:
    """The job runs that Glue has of one run of the DAG, the newest first; none if there is no such job yet."""
    with suppress(glue.exceptions.EntityNotFoundException):
        runs = glue.get_job_runs(JobName=job_name)["JobRuns"]
        return [run for run in runs if run.get("Arguments", {}).get("--run_id") == run_id]
    return []


def spark_conf(settings: Settings) -> dict[str, str]:
    """The Spark settings of all jobs. One set, so that the local AWS can run them in one JVM."""
    return {
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.catalog.glue_catalog": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.glue_catalog.catalog-impl": "org.apache.iceberg.aws.glue.GlueCatalog",
        "spark.sql.catalog.glue_catalog.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        "spark.sql.catalog.glue_catalog.warehouse": f"s3://{settings.bucket}/warehouse",
        # Small enough pieces for the memory of a worker; adaptive execution joins those that are too small to pay.
        "spark.sql.adaptive.enabled": "true",
        "spark.sql.shuffle.partitions": "8",
        # Joins without sorting where one side of each piece is small, as measured when the job runs.
        "spark.sql.adaptive.maxShuffledHashJoinLocalMapThreshold": "64m",
        # Spark reads what a job persists a few times: compressing it takes longer than that.
        "spark.sql.inMemoryColumnarStorage.compressed": "false",
    }


def conf_argument(conf: dict[str, str]) -> str:
    """Spark settings as the job argument ``--conf``: Glue takes several of them as one argument."""
    return " --conf ".join(f"{name}={value}" for name, value in conf.items())


def glue_job(settings: Settings, name: str, description: str, script_args: dict[str, str]) -> LakehouseGlueJob:
    """The task that runs the Glue job ``name``, whose script has the same name; ``upload_code`` must run before it.

    ``script_args`` are the script's own arguments (templated); ``--run_id`` and ``--database`` come by themselves.
    """
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
                "--conf": conf_argument(spark_conf(settings)),
            },
        },
        update_config=True,
        retry_limit=0,  # retries are Airflow's
        stop_job_run_on_kill=True,
        deferrable=False,  # whatever the deployment's default_deferrable says
        job_poll_interval=settings.poll_seconds,
        # Longer than Glue's own timeout, which ends a slow job: this one ends the wait for a state that never comes.
        execution_timeout=timedelta(minutes=70),
    )
