"""The Glue task against the local AWS: taking over a job run that is running already, and what it logs."""

import time
import uuid
from dataclasses import replace
from types import SimpleNamespace

import pytest
from airflow.providers.amazon.aws.hooks.glue import GlueJobHook
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from botocore.exceptions import ClientError

from dev.settings import lakehouse_settings
from local_aws import service
from stedi.glue_job import _Hook, glue_job, log_glue_reason

JOB = "customer_trusted"
NAME = lakehouse_settings().job_name(JOB)


@pytest.fixture
def submit(aws, aws_environment, bucket, s3):
    """Starts the job, whose script only waits here, as an attempt of its task does; gives the id of its run."""
    settings = replace(lakehouse_settings(), bucket=bucket)
    service.start(aws, role=settings.glue_role_arn.rpartition("/")[2])
    s3.put_object(Bucket=bucket, Key="sleeper.py", Body="import time; time.sleep(600)")

    def submit(dag_run, wait=False):
        task = glue_job(replace(settings, poll_seconds=0.1), JOB, "Sleeps", {})
        task.script_location = task.create_job_kwargs["Command"]["ScriptLocation"] = f"s3://{bucket}/sleeper.py"
        task.script_args["--run_id"] = dag_run
        task.create_job_kwargs["DefaultArguments"] = {}
        run_id = task.submit_job({"ti": SimpleNamespace(xcom_push=lambda key, value: None)})
        if wait:
            task.poll_until_complete(run_id, {})
        return run_id

    yield submit
    aws.client("glue").delete_job(JobName=NAME)


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
    glue.batch_stop_job_run(JobName=NAME, JobRunIds=[first])
    while glue.get_job_run(JobName=NAME, RunId=first)["JobRun"]["JobRunState"] != "STOPPED":
        pass
    assert submit("one") != first


@pytest.mark.parametrize(
    ("error", "expected"), [("TooManyRejectedError", AirflowFailException), ("OutOfMemoryError", AirflowException)]
)
def test_a_job_that_rejects_too_many_records_is_not_tried_again(submit, s3, bucket, error, expected):
    script = f"class {error}(ValueError): pass\nraise {error}('customer_landing: 9 of 10 records')"
    s3.put_object(Bucket=bucket, Key="sleeper.py", Body=script)
    with pytest.raises(AirflowException) as raised:
        submit("one", wait=True)
    assert type(raised.value) is expected
    if expected is AirflowFailException:
        assert str(raised.value).endswith("TooManyRejectedError: customer_landing: 9 of 10 records")


def test_the_reason_of_a_failed_job_run_is_logged(aws, submit, s3, bucket, caplog):
    s3.put_object(Bucket=bucket, Key="sleeper.py", Body="raise ValueError('no readings')")
    run_id = submit("one")
    while aws.client("glue").get_job_run(JobName=NAME, RunId=run_id)["JobRun"]["JobRunState"] != "FAILED":
        time.sleep(0.1)
    task_instance = SimpleNamespace(xcom_pull=lambda task_ids, key: run_id)
    log_glue_reason({"task": SimpleNamespace(task_id=JOB, job_name=NAME), "ti": task_instance})
    [logged] = [message for message in caplog.messages if run_id in message]
    assert logged.startswith(f"Glue job {NAME}, run {run_id}: ")
    assert logged.endswith("ValueError: no readings")


def test_the_polling_messages_do_not_bury_what_the_job_says(aws_environment, capsys):
    log = _Hook(job_name=JOB).log
    log.info("Polling for AWS Glue Job %s current run state with status %s", JOB, "RUNNING")
    log.info("No new log from the Glue Job in /aws-glue/jobs/output")
    log.info("Glue Job Run %s Logs", "/aws-glue/jobs/output")
    log.warning("No new Glue driver logs so far.")
    printed = capsys.readouterr().out
    assert "Glue Job Run /aws-glue/jobs/output Logs" in printed
    assert "No new Glue driver logs" in printed
    assert "Polling" not in printed
    assert "No new log from" not in printed


def test_the_output_of_a_running_job_is_looked_at_now_and_then_and_that_of_an_ended_one_always(
    aws_environment, monkeypatch
):
    looked = []
    monkeypatch.setattr(GlueJobHook, "print_job_logs", lambda self, job, run, tokens: looked.append(run))
    states = iter(["RUNNING", "RUNNING", "RUNNING", "SUCCEEDED"])
    monkeypatch.setattr(GlueJobHook, "get_job_state", lambda self, job, run: next(states))
    hook = _Hook(job_name=JOB)
    for run in ("first", "soon", "soon", "ended"):
        hook.get_job_state(JOB, run)
        hook.print_job_logs(JOB, run, None)
    assert looked == ["first", "ended"]
    monkeypatch.setattr("stedi.glue_job.OUTPUT_SECONDS", 0)
    hook.print_job_logs(JOB, "later", None)
    assert looked[2:] == ["later"]
