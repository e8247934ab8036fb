import uuid

import pyarrow as pa
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSensorTimeout, AirflowTaskTimeout
from airflow.sdk.execution_time.timeout import TimeoutPosix

from local_aws.athena.catalog import Catalog
from local_aws.settings import ACCOUNT
from stedi.quality_sensor import AthenaQualitySensor, staged
from stedi.tables import branch_name


class TaskInstance:
    """Keeps what a task pushes to XCom."""

    def __init__(self):
        self.pushed = {}

    def xcom_push(self, key, value):
        self.pushed[key] = value


@pytest.fixture
def sensor(aws_environment, bucket):
    def create(query, **settings):
        return AthenaQualitySensor(
            task_id="consent",
            query=query,
            database="default",
            output_location=f"s3://{bucket}/",
            bucket_owner=ACCOUNT,
            poll_seconds=0.05,
            **settings,
        )

    return create


@pytest.fixture
def poke(sensor):
    """Asks a sensor once; gives what it returned and what it pushed."""

    def ask(query):
        task_instance = TaskInstance()
        try:
            return sensor(query).poke({"ti": task_instance, "run_id": "run"}), task_instance.pushed
        except AirflowException as error:
            return error, task_instance.pushed

    return ask


def test_it_waits_while_the_data_has_not_arrived(poke):
    returned, _ = poke("select false as ready, 3 as violations")
    assert not returned.is_done


def test_it_succeeds_without_violations_and_gives_the_figures_and_its_query(poke, aws):
    returned, _ = poke(
        "select true as ready, 0 as violations, 482 as customers, 0.5 as share, cast(null as bigint) as n"
    )
    assert returned.is_done
    figures = {"customers": 482, "share": 0.5, "n": None}
    execution = returned.xcom_value.pop("query_execution_id")
    assert returned.xcom_value == {"check": "consent", "violations": 0, "figures": figures, "snapshots": {}}
    answer = aws.client("athena").get_query_execution(QueryExecutionId=execution)["QueryExecution"]
    assert answer["Query"].endswith("as n")


def test_violations_fail_the_task_without_retries_and_are_named_and_kept(poke):
    error, pushed = poke("select true as ready, 2 as violations, 1 as customers, 1 as readings")
    assert type(error) is AirflowFailException
    assert str(error) == "consent: 2 violations (customers 1, readings 1)"
    assert pushed["return_value"]["violations"] == 2


def test_a_query_that_fails_is_an_ordinary_failure_with_athenas_reason(poke):
    error, _ = poke("select true as ready, 0 as violations from nowhere")
    assert type(error) is AirflowException
    assert "FAILED" in str(error)
    assert "does not exist" in str(error)


def test_a_query_that_is_no_check_fails_at_once(poke):
    error, _ = poke("select 1 as one")
    assert type(error) is AirflowFailException
    assert "returns one row with ready and violations" in str(error)


def test_a_check_without_a_row_fails_at_once(poke):
    error, _ = poke("select true as ready, 0 as violations where 1 = 0")
    assert type(error) is AirflowFailException
    assert "returned 0 rows" in str(error)


def test_several_violation_rows_do_not_pass_for_one(poke):
    error, _ = poke("select true as ready, 0 as violations union all select true, 1")
    assert type(error) is AirflowFailException


@pytest.mark.exhaustive
def test_a_check_may_take_longer_than_120_polls(poke, slow_query, monkeypatch):
    polls = []
    monkeypatch.setattr("stedi.athena.time.sleep", polls.append)
    returned, _ = poke(slow_query(40))
    assert len(polls) > 120
    assert returned.is_done


def test_the_tasks_timeout_stops_the_query(sensor, slow_query, unfinished_queries):
    with pytest.raises(AirflowTaskTimeout), TimeoutPosix(1):
        sensor(slow_query()).poke({"ti": TaskInstance(), "run_id": "run"})
    assert unfinished_queries() == []


def test_the_sensors_own_timeout_leaves_no_query_running(sensor, unfinished_queries):
    with pytest.raises(AirflowSensorTimeout):
        sensor("select false as ready, 0 as violations", timeout=0.1, poke_interval=0.1).execute(
            {"ti": TaskInstance(), "run_id": "run"}
        )
    assert unfinished_queries() == []


@pytest.fixture
def stage(aws, aws_environment, bucket, sensor):
    """Gives a table of numbers, and stages some of them as a run does."""
    iceberg = Catalog(aws).iceberg
    name = f"t{uuid.uuid4().hex}"
    iceberg.create_namespace_if_not_exists("default")
    table = iceberg.create_table(("default", name), pa.schema([("n", pa.int32())]), location=f"s3://{bucket}/{name}")
    table.append(pa.table({"n": pa.array([1], pa.int32())}))

    def write(run, *numbers, written_by=None):
        table.manage_snapshots().create_branch(table.current_snapshot().snapshot_id, branch_name(run)).commit()
        rows, properties = pa.table({"n": pa.array(numbers, pa.int32())}), {"run_id": written_by or run}
        table.append(rows, branch=branch_name(run), snapshot_properties=properties)
        return table.refs()[branch_name(run)].snapshot_id

    return name, write


def test_a_check_reads_what_its_run_has_staged_and_says_which_snapshot_that_is(stage, sensor):
    name, write = stage
    snapshot, _ = write("run", 2, 3), write("another", 4)
    check = sensor(f"select true as ready, 0 as violations, sum(n) as total from {staged('default', name)} as t")

    found = check.poke({"ti": TaskInstance(), "run_id": "run"}).xcom_value

    assert (found["figures"], found["snapshots"]) == ({"total": 6}, {name: str(snapshot)})
    assert check.query.endswith(f"from default.{name} for version as of {snapshot} as t")  # as the UI shows it


def test_a_check_waits_until_its_run_has_staged_all_of_its_tables(stage, poke):
    name, write = stage
    write("another", 4)
    returned, _ = poke(f"select true as ready, 0 as violations from {staged('default', name)}")
    assert not returned.is_done


def test_a_branch_that_its_run_has_begun_and_not_written_is_not_ready(stage, poke):
    name, write = stage
    write("run", 2, written_by="another")
    returned, _ = poke(f"select true as ready, 0 as violations from {staged('default', name)}")
    assert not returned.is_done
