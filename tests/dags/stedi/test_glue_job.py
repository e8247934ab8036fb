"""The Glue task against the local AWS: what it does with a run of its job that is at work already."""

import uuid
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from local_aws import service
from stedi.glue_job import glue_job
from stedi.settings import Settings

JOB = "customer_trusted"


@pytest.fixture
def submit(aws, aws_environment, bucket, s3):
    """Starts the job, whose script only waits here, as an attempt of its task does; gives the id of its run."""
    settings = Settings(bucket=bucket)
    service.start(aws, role=settings.glue_role_arn.rpartition("/")[2])
    s3.put_object(Bucket=bucket, Key="sleeper.py", Body="import time; time.sleep(600)")

    def submit(dag_run):
        task = glue_job(settings, JOB, "Sleeps", {})
        task.script_location = f"s3://{bucket}/sleeper.py"
        task.script_args["--run_id"] = dag_run
        task.create_job_kwargs["DefaultArguments"] = {}
        return task.submit_job({"ti": SimpleNamespace(xcom_push=lambda key, value: None)})

    yield submit
    aws.client("glue").delete_job(JobName=JOB)


def test_an_attempt_takes_over_the_job_run_that_one_before_it_started_and_could_not_note(submit):
    dag_run = str(uuid.uuid4())
    assert submit(dag_run) == submit(dag_run)


def test_a_job_run_of_another_run_of_the_dag_is_not_taken_over(submit):
    submit("one")
    with pytest.raises(ClientError, match="Concurrent runs exceeded"):
        submit("another")


def test_a_job_run_that_has_ended_is_not_taken_over(aws, submit):
    glue = aws.client("glue")
    first = submit("one")
    glue.batch_stop_job_run(JobName=JOB, JobRunIds=[first])
    while glue.get_job_run(JobName=JOB, RunId=first)["JobRun"]["JobRunState"] != "STOPPED":
        pass
    assert submit("one") != first
