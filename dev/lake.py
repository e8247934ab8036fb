"""The lake on the local AWS as a whole: starting it, emptying it, and ending the queries that a run has left."""

from dev import PROJECT
from dev.locks import run_lock
from dev.settings import lakehouse_settings, local_aws
from local_aws import service
from local_aws.resources import Stack
from stedi.tables import LANDING_TABLES

LANDING_ZONES = tuple(f"{table}/" for table in LANDING_TABLES)


def stack() -> Stack:
    """What the lakehouse needs from an account, on AWS and here."""
    settings = lakehouse_settings()
    parameters = {
        "BucketName": settings.bucket,
        "DatabaseName": settings.database,
        "GlueRoleName": settings.glue_role_arn.rpartition("/")[2],
    }
    return Stack(PROJECT / "infra" / "stedi.yaml", parameters)


def run_workgroup() -> str:
    """The Athena workgroup of the queries of `make run`, which tells them from those of `make query` and of the UI."""
    return lakehouse_settings().database


def start_local_aws() -> None:
    """Starts the local AWS unless it runs, and deploys ``infra/stedi.yaml`` there if it has changed."""
    service.start(local_aws(), stack=stack())
    # What a killed run has left; a run that is going on stops its own.
    if not run_lock().is_held():
        stop_run_queries()


def stop_run_queries() -> None:
    """Stops the queries of `make run` that have not ended."""
    athena = local_aws().client("athena")
    # A run has few queries running, so they are among the newest.
    if newest := athena.list_query_executions(WorkGroup=run_workgroup())["QueryExecutionIds"]:
        for query in athena.batch_get_query_execution(QueryExecutionIds=newest)["QueryExecutions"]:
            if query["Status"]["State"] in ("QUEUED", "RUNNING"):
                athena.stop_query_execution(QueryExecutionId=query["QueryExecutionId"])


def reset() -> None:
    """Leaves an empty lake: no object in the bucket, no table in the database, no Glue job with its runs."""
    glue = local_aws().client("glue")
    for page in glue.get_paginator("get_jobs").paginate():
        for job in page["Jobs"]:
            glue.delete_job(JobName=job["Name"])
    drop_tables(keep=())


def drop_tables(keep: tuple[str, ...] = LANDING_ZONES) -> None:
    """Drops all tables of the database, and deletes all objects but those under the ``keep`` prefixes."""
    settings, aws = lakehouse_settings(), local_aws()
    s3, glue = aws.client("s3"), aws.client("glue")
    pages = glue.get_paginator("get_tables").paginate(DatabaseName=settings.database)
    for table in [table["Name"] for page in pages for table in page["TableList"]]:
        glue.delete_table(DatabaseName=settings.database, Name=table)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=settings.bucket):
        keys = [item["Key"] for item in page.get("Contents", []) if not item["Key"].startswith(keep)]
        if keys:
            s3.delete_objects(Bucket=settings.bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True})
