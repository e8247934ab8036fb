"""The Glue task against the local AWS: which job run it waits for, how it ends, and what it logs."""

import textwrap
from dataclasses import replace
from types import SimpleNamespace

import pytest
from airflow.providers.amazon.aws.hooks.logs import AwsLogsHook
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from botocore.exceptions import ClientError

from dev.settings import lakehouse_settings
from local_aws import service
from stedi.glue_job import glue_job

JOB = "customer_trusted"
NAME = lakehouse_settings().job_name(JOB)


class Attempt:
    """An attempt of the task in a run of the DAG; the job's script runs until somebody waits for it."""

    def __init__(self, settings, script, waited_for, dag_run):
        self.task = glue_job(replace(settings, poll_seconds=0.1), JOB, "Waits", {})
        self.task.script_location = self.task.create_job_kwargs["Command"]["ScriptLocation"] = script
        self.task.script_args["--run_id"] = dag_run
        self.task.create_job_kwargs["DefaultArguments"] = {}
        self.xcom = {}
        self._waited_for = waited_for

    def start(self):
        """Starts the job, as an attempt does that is killed right after it; returns the id of the job run."""
        return self.task.hook.initialize_job(self.task.script_args)["JobRunId"]

    def execute(self, meanwhile=lambda attempt: None):
        def push(key, value):
            self.xcom[key] = value
            if key == "glue_job_run_id":
                meanwhile(self)
                self._waited_for.touch()

        return self.task.execute({"ti": SimpleNamespace(xcom_push=push)})

    def log(self, printed):
        """What the task has logged since its job run was started, but how its clients found AWS."""
        lines = [line.partition("] ")[2] for line in printed.splitlines() if "loc=base_aws.py" not in line]
        started = next(number for number, line in enumerate(lines) if line.startswith("Started the job run"))
        return [line.partition("[airflow.task")[0].strip() for line in lines[started + 1 :]]


@pytest.fixture
def attempt(aws, aws_environment, bucket, s3, tmp_path):
    """Gives an attempt of a DAG run, with what the job's script does once it is waited for."""
    settings = replace(lakehouse_settings(), bucket=bucket)
    service.start(aws, role=settings.glue_role_arn.rpartition("/")[2])

    def attempt(dag_run="one", then=""):
        waited_for = tmp_path / dag_run
        script = f"""
            import pathlib, sys, time
            while not pathlib.Path({str(waited_for)!r}).exists():
                time.sleep(0.05)
        """
        s3.put_object(Bucket=bucket, Key=dag_run, Body=textwrap.dedent(script) + then)
        return Attempt(settings, f"s3://{bucket}/{dag_run}", waited_for, dag_run)

    yield attempt
    aws.client("glue").delete_job(JobName=NAME)


def test_a_succeeded_job_run_goes_to_xcom_and_is_the_result(attempt, aws):
    one = attempt()
    run_id = one.execute()
    assert one.xcom["glue_job_run_id"] == run_id
    assert aws.client("glue").get_job_run(JobName=NAME, RunId=run_id)["JobRun"]["JobRunState"] == "SUCCEEDED"


def test_an_attempt_takes_over_the_job_run_that_one_before_it_left_behind(attempt):
    left_behind = attempt().start()
    assert attempt().execute() == left_behind


def test_a_job_run_of_another_run_of_the_dag_is_not_taken_over(attempt):
    attempt("one").start()
    with pytest.raises(ClientError, match="Concurrent runs exceeded"):
        attempt("another").execute()


def test_a_task_that_is_cleared_runs_its_job_again(attempt):
    assert attempt().execute() != attempt().execute()


def test_a_job_run_that_somebody_stops_is_a_failure(attempt, aws):
    def stop(one):
        aws.client("glue").batch_stop_job_run(JobName=NAME, JobRunIds=[one.xcom["glue_job_run_id"]])

    with pytest.raises(AirflowException, match="is STOPPED"):
        attempt(then="time.sleep(60)").execute(meanwhile=stop)


def test_a_killed_task_stops_its_job_run(attempt, aws):
    one = attempt(then="time.sleep(60)")
    with pytest.raises(AirflowException):
        one.execute(meanwhile=lambda one: one.task.on_kill())
    run = aws.client("glue").get_job_run(JobName=NAME, RunId=one.xcom["glue_job_run_id"])["JobRun"]
    assert run["JobRunState"] == "STOPPED"


@pytest.mark.parametrize(
    ("error", "expected"), [("TooManyRejectedError", AirflowFailException), ("OutOfMemoryError", AirflowException)]
)
def test_a_failed_job_run_gives_glues_reason_and_after_a_final_error_is_not_tried_again(
    attempt, capsys, error, expected
):
    with pytest.raises(AirflowException) as raised:
        one = attempt(then=f"class {error}(ValueError): pass\nraise {error}('customer_landing: 9 of 10 records')")
        one.execute()
    assert type(raised.value) is expected
    assert one.log(capsys.readouterr().out)[-1] == str(raised.value)
    assert str(raised.value).endswith(f"{error}: customer_landing: 9 of 10 records")


def test_the_log_is_what_the_job_prints_and_nothing_else(attempt, capsys):
    one = attempt(then="print('read 100 %'); print('kept 9', file=sys.stderr); time.sleep(1)")
    one.execute()
    assert one.log(capsys.readouterr().out) == ["read 100 %", "kept 9"]


def test_a_job_that_has_no_log_yet_is_waited_for_in_silence(attempt, aws, capsys):
    def delete_log(one):
        run_id = one.xcom["glue_job_run_id"]
        aws.client("logs").delete_log_stream(logGroupName="/aws-glue/jobs/output", logStreamName=run_id)

    one = attempt(then="time.sleep(1)")
    one.execute(meanwhile=delete_log)
    assert one.log(capsys.readouterr().out) == []


def test_a_job_whose_log_cannot_be_read_is_not_given_up(attempt, monkeypatch, capsys):
    def throttled(*_, **__):
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, "GetLogEvents")

    monkeypatch.setattr(AwsLogsHook, "get_log_events", throttled)
    one = attempt()
    one.execute()
    assert "Rate exceeded" in one.log(capsys.readouterr().out)[-1]


def test_what_a_running_job_prints_is_looked_at_less_often_than_its_state(attempt, monkeypatch):
    looked = []
    monkeypatch.setattr(AwsLogsHook, "get_log_events", lambda *_, **__: looked.append(1) or [])
    monkeypatch.setattr("stedi.glue_job.OUTPUT_SECONDS", 600)
    attempt(then="time.sleep(1)").execute()
    assert len(looked) == 2  # at once, and at the end
