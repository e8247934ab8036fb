"""`make run`: what reaches the DAG, and that its queries end with it however it ends."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from dev import lake, run

from .conftest import PROJECT
from .test_query import SLOW

# The command, with another folder of DAGs.
COMMAND = """
import sys
from pathlib import Path
from dev import __main__, airflow_home
airflow_home.DAGS = Path(sys.argv.pop(1))
sys.exit(__main__.main())
"""

DAG = f"""
from airflow.providers.amazon.aws.operators.athena import AthenaOperator
from airflow.sdk import DAG
from stedi.settings import Settings

settings = Settings.from_environment()
with DAG("stedi_lakehouse", schedule=None):
    AthenaOperator(
        task_id="slow",
        query={SLOW!r},
        workgroup=settings.athena_workgroup,
        output_location=settings.athena_output,
        sleep_time=0.2,
    )
"""


def test_a_relative_landing_directory_reaches_the_dag_as_a_full_path(tmp_path, monkeypatch):
    (tmp_path / "2024").mkdir()
    monkeypatch.chdir(tmp_path)
    given = {"landing": "2024", "consent_policy": "reading_time", "max_lost": "", "max_rejected": None}
    assert run.run_conf(given) == {"landing": str(tmp_path / "2024"), "consent_policy": "reading_time"}


def test_an_s3_prefix_is_not_looked_for_on_the_disk():
    assert run.run_conf({"landing": "s3://deliveries/today"}) == {"landing": "s3://deliveries/today"}


def test_numbers_reach_the_dag_as_numbers_and_what_is_none_as_text():
    given = {"a": "24", "b": ".5", "c": "nan", "d": "inf", "e": "customer"}
    assert run.run_conf(given) == {"a": 24, "b": 0.5, "c": "nan", "d": "inf", "e": "customer"}


class SlowRun:
    """A `make run` whose only task waits for a slow query, beside a slow query of the user's own."""

    def __init__(self, aws, dags):
        self.athena = aws.client("athena")
        #: The queries of earlier runs.
        self.earlier = self.ids()
        self.lock = aws.state.parent / "run.lock"
        output = {"OutputLocation": "s3://stedi-lakehouse/athena-results/"}
        self.users = self.athena.start_query_execution(QueryString=SLOW, ResultConfiguration=output)["QueryExecutionId"]
        self.command = subprocess.Popen(
            [sys.executable, "-c", COMMAND, str(dags), "run", "--keep"],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.wait_for(lambda: self.states() == ["RUNNING"])

    def states(self):
        """Of the run's slow query; it asks for numbers of rows too."""
        ids = [query for query in self.ids() if query not in self.earlier]
        found = self.athena.batch_get_query_execution(QueryExecutionIds=ids)["QueryExecutions"] if ids else []
        return [query["Status"]["State"] for query in found if query["Query"] == SLOW]

    def ids(self):
        return self.athena.list_query_executions(WorkGroup=lake.run_workgroup())["QueryExecutionIds"]

    def state(self, query):
        return self.athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]["State"]

    def child(self):
        return json.loads(self.lock.read_text())[1][0]

    def wait_for(self, condition):
        deadline = time.monotonic() + 900
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.2)


@pytest.fixture
def slow_run(lake_aws, tmp_path):
    (tmp_path / "slow.py").write_text(DAG)
    SlowRun.before = frozenset(
        lake_aws.client("athena").list_query_executions(WorkGroup=lake.run_workgroup())["QueryExecutionIds"]
    )
    slow_run = SlowRun(lake_aws, tmp_path)
    yield slow_run
    slow_run.athena.stop_query_execution(QueryExecutionId=slow_run.users)
    slow_run.command.kill()
    slow_run.command.wait()


def test_a_run_that_is_terminated_stops_its_queries_and_no_other(slow_run):
    slow_run.command.send_signal(signal.SIGTERM)
    assert slow_run.command.wait(60) == 130
    assert slow_run.states() == ["CANCELLED"]
    assert slow_run.state(slow_run.users) == "RUNNING"


@pytest.mark.exhaustive
def test_a_run_whose_airflow_is_killed_stops_its_queries(slow_run):
    os.kill(slow_run.child(), signal.SIGKILL)
    output, _ = slow_run.command.communicate(timeout=60)
    assert slow_run.command.returncode == 1
    assert "error: the run ended too early; see " in output
    assert slow_run.states() == ["CANCELLED"]
    assert slow_run.state(slow_run.users) == "RUNNING"


@pytest.mark.exhaustive
def test_a_run_whose_command_is_killed_stops_its_queries(slow_run):
    slow_run.command.kill()
    slow_run.wait_for(lambda: slow_run.states() == ["CANCELLED"])
    assert slow_run.state(slow_run.users) == "RUNNING"


@pytest.mark.exhaustive
def test_the_next_command_stops_the_queries_of_a_run_that_was_killed_altogether(slow_run, command):
    child = psutil.Process(slow_run.child())
    child.suspend()  # it would stop them before it is killed
    slow_run.command.kill()
    child.kill()
    slow_run.command.wait()
    slow_run.wait_for(lambda: not child.is_running())
    assert slow_run.states() == ["RUNNING"]

    assert command("query", "--", "select 1").returncode == 0

    assert slow_run.states() == ["CANCELLED"]
    assert slow_run.state(slow_run.users) == "RUNNING"
