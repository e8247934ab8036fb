"""Tells in the task's log why a Glue job failed: the operator itself names the run's state, not its reason."""

import logging

from airflow.providers.amazon.aws.hooks.glue import GlueJobHook
from airflow.sdk import Context


def log_glue_reason(context: Context) -> None:
    """A failure or retry callback for ``GlueJobOperator``: logs Glue's own message of the run that failed."""
    run_id = context["ti"].xcom_pull(task_ids=context["ti"].task_id, key="glue_job_run_id")
    if not run_id:
        return
    job_name = context["task"].job_name
    run = GlueJobHook(job_name=job_name).conn.get_job_run(JobName=job_name, RunId=run_id)["JobRun"]
    if reason := run.get("ErrorMessage"):
        logging.getLogger(__name__).error("Glue job %s, run %s: %s", job_name, run_id, reason)
