"""The lake on the local AWS as a whole: starting it, emptying it, and ending the queries that a run has left."""

import contextlib
from typing import Any

from dev.locks import run_lock
from dev.settings import lakehouse_settings, local_aws
from local_aws import service
from stedi.tables import LANDING_TABLES

#: The Athena workgroup of the queries of `make run`, which tells them from those of `make query` and of the UI.
RUN_WORKGROUP = "make-run"
LANDING_ZONES = tuple(f"{table}/" for table in LANDING_TABLES)


def start_local_aws() -> None:
    """Starts the local AWS unless it runs, with the bucket and the role that the lakehouse needs."""
    settings = lakehouse_settings()
    role = settings.glue_role_arn.rpartition("/")[2]
    service.start(local_aws(), bucket=settings.bucket, role=role)
    # What a killed run has left; a run that is going on stops its own.
    if not run_lock().is_held():
        stop_run_queries()


def stop_run_queries() -> None:
    """Stops the queries of `make run` that have not ended, and leaves its workgroup there."""
    athena = local_aws().client("athena")
    with contextlib.suppress(athena.exceptions.InvalidRequestException):
        athena.create_work_group(Name=RUN_WORKGROUP)
    # A run has few queries running, so they are among the newest.
    if newest := athena.list_query_executions(WorkGroup=RUN_WORKGROUP)["QueryExecutionIds"]:
        for query in athena.batch_get_query_execution(QueryExecutionIds=newest)["QueryExecutions"]:
            if query["Status"]["State"] in ("QUEUED", "RUNNING"):
                athena.stop_query_execution(QueryExecutionId=query["QueryExecutionId"])


def reset() -> None:
    """Leaves an empty lake: no object in the bucket, no database with its tables, no Glue job with its runs."""
    glue = local_aws().client("glue")
    for page in glue.get_paginator("get_jobs").paginate():
        for job in page["Jobs"]:
            glue.delete_job(JobName=job["Name"])
    drop_tables(keep=())


def drop_tables(keep: tuple[str, ...] = LANDING_ZONES) -> None:
    """Drops the database with its tables, and deletes all objects but those under the ``keep`` prefixes."""
    settings, aws = lakehouse_settings(), local_aws()
    _drop_database(aws.client("glue"), settings.database)
    s3 = aws.client("s3")
    with contextlib.suppress(s3.exceptions.NoSuchBucket):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=settings.bucket):
            keys = [item["Key"] for item in page.get("Contents", []) if not item["Key"].startswith(keep)]
            if keys:
                s3.delete_objects(
                    Bucket=settings.bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
                )


def _drop_database(glue: Any, database: str) -> None:
    with contextlib.suppress(glue.exceptions.EntityNotFoundException):
        pages = glue.get_paginator("get_tables").paginate(DatabaseName=database)
        for table in [table["Name"] for page in pages for table in page["TableList"]]:
            glue.delete_table(DatabaseName=database, Name=table)
        glue.delete_database(Name=database)
