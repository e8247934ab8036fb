"""Airflow with its scheduler: a task that is killed, and two runs of the DAG at once."""

import os
import signal

import pytest

from dev.airflow_server import running_airflow, wait_for

from .conftest import PROJECT


@pytest.fixture
def airflow(tmp_path):
    with running_airflow(tmp_path, PROJECT / "include" / "sample") as airflow:
        yield airflow


@pytest.mark.exhaustive
def test_the_retry_of_a_killed_task_takes_its_glue_job_over_and_a_second_run_waits_for_the_first(airflow):
    first, second, job = airflow.trigger(), airflow.trigger(), "customer_trusted"
    glue_run = wait_for(lambda: airflow.glue_runs(job))[0]["Id"]

    os.kill(airflow.task(first, job)["pid"], signal.SIGKILL)

    def first_has_ended() -> bool:
        states = {run["dag_run_id"]: run["state"] for run in airflow.runs()}
        assert states[first] != "running" or states[second] == "queued"
        return states[first] in ("success", "failed")

    wait_for(first_has_ended, seconds=600)
    assert airflow.state(first) == "success", [(task["task_id"], task["state"]) for task in airflow.tasks(first)]
    assert airflow.attempts(first, job) == ["failed", "success"]
    assert [run["Id"] for run in airflow.glue_runs(job)] == [glue_run]
    assert airflow.end(second) == "success"
