"""Airflow's metadata database, as far as the commands read and change it."""

import sqlite3
from contextlib import closing

import pytest

from dev import airflow_home


@pytest.fixture
def runs(local):
    """A metadata database with an active run of ``make run`` and one of the scheduler; gives their states."""
    with closing(sqlite3.connect(airflow_home.home() / "airflow.db")) as database:
        database.executescript(
            """
            CREATE TABLE dag_run (dag_id, run_id, state, triggered_by, run_after, end_date);
            CREATE TABLE task_instance (dag_id, run_id, task_id, state, end_date);
            INSERT INTO dag_run VALUES ('stedi_lakehouse', 'by_hand', 'running', 'UI', 1, NULL);
            INSERT INTO dag_run VALUES ('stedi_lakehouse', 'make_run', 'running', 'TEST', 2, NULL);
            INSERT INTO dag_run VALUES ('stedi_maintenance', 'make_maintain', 'running', 'TEST', 3, NULL);
            INSERT INTO dag_run VALUES ('somebody_elses', 'theirs', 'running', 'TEST', 4, NULL);
            INSERT INTO dag_run VALUES ('stedi_lakehouse', 'earlier', 'success', 'TEST', 0, NULL);
            INSERT INTO task_instance VALUES ('stedi_lakehouse', 'make_run', 'done', 'success', NULL);
            INSERT INTO task_instance VALUES ('stedi_lakehouse', 'make_run', 'working', 'running', NULL);
            INSERT INTO task_instance VALUES ('stedi_lakehouse', 'by_hand', 'working', 'running', NULL);
            """
        )
        yield lambda table: database.execute(f"SELECT * FROM {table} ORDER BY run_id, 3").fetchall()


def test_a_run_that_was_killed_is_marked_failed_and_the_schedulers_is_left_alone(runs):
    airflow_home.fail_abandoned_runs(only_of_make_run=True)
    assert {row[1]: row[2] for row in runs("dag_run")} == {
        "by_hand": "running",
        "make_run": "failed",
        "make_maintain": "failed",
        "theirs": "running",
        "earlier": "success",
    }
    assert {(row[1], row[2]): row[3] for row in runs("task_instance")} == {
        ("make_run", "done"): "success",
        ("make_run", "working"): "failed",
        ("by_hand", "working"): "running",
    }
    assert airflow_home.active_runs() == ["by_hand"]


def test_without_a_scheduler_no_run_stays_active(runs):
    airflow_home.fail_abandoned_runs(only_of_make_run=False)
    assert airflow_home.active_runs() == []
