"""The maintenance DAG as Airflow sees it: beside the lakehouse's, never at work together with it."""

from datetime import UTC, datetime, timedelta

import pytest

from stedi.tables import TABLES


@pytest.fixture(scope="session")
def dag(dags):
    return dags["stedi_maintenance"]


def test_it_waits_for_the_lakehouse_then_deletes_handovers_and_runs_one_glue_job(dag):
    assert {task.task_id: task.downstream_task_ids for task in dag.tasks} == {
        "wait_for_lakehouse": {"upload_code", "delete_handovers"},
        "upload_code": {"stedi_maintenance"},
        "delete_handovers": {"stedi_maintenance"},
        "stedi_maintenance": set(),
    }


def test_it_has_a_schedule_of_its_own_one_run_at_a_time_and_does_not_catch_up(dag, dags):
    assert (dag.schedule, dag.catchup, dag.max_active_runs) == ("0 12 * * SUN", False, 1)
    assert dag.schedule != dags["stedi_lakehouse"].schedule


@pytest.mark.parametrize(("running", "goes_on"), [(0, True), (1, False)])
def test_it_goes_on_when_no_run_of_the_lakehouse_is_running(dag, running, goes_on):
    class TaskInstance:
        @staticmethod
        def get_dr_count(dag_id, states):
            assert (dag_id, states) == ("stedi_lakehouse", ["running"])
            return running

    wait = dag.get_task("wait_for_lakehouse")
    assert wait.poke({"ti": TaskInstance}) is goes_on
    assert wait.reschedule  # it takes no worker's slot from the run that it waits for
    assert not wait.soft_fail
    assert timedelta(0) < timedelta(seconds=wait.timeout) < timedelta(days=1)


def test_the_job_has_a_timeout_retries_and_is_stopped_with_its_task(dag, dags):
    job, other = dag.get_task("stedi_maintenance"), dags["stedi_lakehouse"].get_task("customer_trusted")
    for setting in ("retries", "stop_job_run_on_kill", "execution_timeout", "iam_role_arn", "retry_limit"):
        assert getattr(job, setting) == getattr(other, setting)
    assert job.create_job_kwargs | {"Command": None} == other.create_job_kwargs | {"Command": None}
    assert [task.task_id for task in dag.tasks if task.execution_timeout is None] == []


def test_every_parameter_explains_itself_and_by_default_leaves_who_reads_and_writes_alone(dag):
    params = {name: dag.params.get_param(name) for name in dag.params}
    assert set(params) == {"snapshot_hours", "keep_releases", "orphan_hours"}
    for name, param in params.items():
        assert param.description and param.schema["title"]
        assert param.schema["type"] == "integer"
        if name == "keep_releases":
            assert (param.value, param.schema["minimum"]) == (2, 1)
            continue
        assert (param.schema["minimum"], param.schema["maximum"]) == (0, 8760)
        assert timedelta(hours=param.value) > dag.get_task("stedi_maintenance").execution_timeout


@pytest.mark.parametrize("logical_date", [None, datetime(2026, 1, 2, tzinfo=UTC)], ids=["manual", "scheduled"])
def test_the_job_gets_the_parameters_and_every_iceberg_table(rendered, logical_date):
    job = rendered("stedi_maintenance", logical_date)
    assert job.script_location == "s3://code/stedi_maintenance"
    tables = job.script_args.pop("--tables").split(",")
    assert tables == [table.name for table in TABLES.values() if table.format == "iceberg"]
    assert job.script_args == {
        "--run_id": "manual__1",
        "--database": "stedi",
        "--landing": "s3://stedi-lakehouse",
        "--keep_releases": "2",
        "--snapshot_hours": "24",
        "--orphan_hours": "24",
    }
