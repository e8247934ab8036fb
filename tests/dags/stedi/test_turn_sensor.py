"""One run at a time, whoever started it."""

import pytest

from stedi.turn_sensor import TurnSensor

TURNS = {"lakehouse": ("wait", "published"), "maintenance": ("wait_for_lakehouse", "maintenance")}


class TaskInstance:
    """What Airflow knows of the runs: {DAG: {run: (its state, {task: state})}}."""

    def __init__(self, runs):
        self.runs = runs

    def get_dr_count(self, dag_id, states, run_ids=None):
        runs = self.runs.get(dag_id, {})
        return sum(state in states for run, (state, _) in runs.items() if run_ids is None or run in run_ids)

    def get_task_states(self, dag_id, task_ids):
        runs = self.runs.get(dag_id, {})
        return {
            run: {task: state for task, state in tasks.items() if task in task_ids} for run, (_, tasks) in runs.items()
        }


@pytest.fixture
def turn():
    """Whether it is the turn of a run that has just begun, beside others."""

    def ask(lakehouse=None, maintenance=None):
        sensor = TurnSensor(task_id="wait", turns=TURNS)
        runs = {"lakehouse": {"mine": ("running", {"wait": "running"}), **(lakehouse or {})}}
        return sensor.poke({"ti": TaskInstance(runs | {"maintenance": maintenance or {}}), "run_id": "mine"})

    return ask


def test_a_run_alone_does_not_wait(turn):
    assert turn()


def test_it_waits_for_a_run_that_has_begun_to_write(turn):
    assert not turn({"other": ("running", {"wait": "success", "published": None})})


@pytest.mark.parametrize("state", [None, "queued", "running", "up_for_retry"])
def test_it_does_not_wait_for_a_run_that_waits_itself(turn, state):
    assert turn({"other": ("running", {"wait": state})})


def test_it_does_not_wait_for_a_run_that_was_published_and_is_reported_now(turn):
    assert turn({"other": ("running", {"wait": "success", "published": "success"})})


@pytest.mark.parametrize("state", ["failed", "success"])
def test_it_does_not_wait_for_a_run_that_has_ended_before_it_was_published(turn, state):
    assert turn({"other": (state, {"wait": "success", "published": "upstream_failed"})})


def test_it_waits_for_a_maintenance_at_work(turn):
    assert not turn(maintenance={"weekly": ("running", {"wait_for_lakehouse": "success", "maintenance": "running"})})
    assert turn(maintenance={"weekly": ("running", {"wait_for_lakehouse": "up_for_reschedule"})})
