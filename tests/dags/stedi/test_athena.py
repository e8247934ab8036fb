import signal
import threading

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowTaskTimeout
from airflow.sdk.execution_time.timeout import TimeoutPosix

from local_aws.settings import ACCOUNT
from stedi.athena import AthenaQueries


@pytest.fixture
def queries(aws_environment, bucket):
    return AthenaQueries(
        database="default",
        output_location=f"s3://{bucket}/results/",
        bucket_owner=ACCOUNT,
        workgroup="primary",
        poll_seconds=0.001,
    )


def test_a_result_has_columns_and_rows_with_null_as_none(queries):
    execution_id = queries.start("select 1 as one, cast(null as bigint) as nothing union all select 2, 3 order by one")
    assert queries.wait_for_result("numbers", execution_id) == (
        ["one", "nothing"],
        [{"one": "1", "nothing": None}, {"one": "2", "nothing": "3"}],
    )


def test_no_result_is_written_to_a_bucket_of_another_account(queries, s3, bucket):
    queries.output["ExpectedBucketOwner"] = "123456789012"
    with pytest.raises(AirflowException, match="Access denied when writing output to url: s3://"):
        queries.ask("numbers", "select 1")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_a_query_may_take_longer_than_120_polls(queries, slow_query, monkeypatch):
    polls = []
    monkeypatch.setattr("stedi.athena.time.sleep", polls.append)
    _, [row] = queries.wait_for_result("slow", queries.start(slow_query(20)))
    assert len(polls) > 120
    assert row["ready"] == "true"


def test_a_failed_query_does_not_leave_the_others_running(queries, slow_query, unfinished_queries):
    with pytest.raises(AirflowException, match=r"broken: the query .* is FAILED: .*does not exist"), queries:
        queries.start(slow_query())
        queries.wait_for_result("broken", queries.start("select 1 from nowhere"))
    assert unfinished_queries() == []


def test_the_tasks_timeout_stops_the_query(queries, slow_query, unfinished_queries):
    with pytest.raises(AirflowTaskTimeout), queries:
        # Before: the first query makes the client, and an alarm that rings in one of its finalizers is lost.
        execution_id = queries.start(slow_query())
        with TimeoutPosix(1):
            queries.wait_for_result("slow", execution_id)
    assert unfinished_queries() == []


def test_a_killed_task_stops_its_query(queries, slow_query, unfinished_queries):
    # As Airflow does it: SIGTERM calls on_kill, and the task goes on until it notices.
    before = signal.signal(signal.SIGTERM, lambda *_: queries.kill())
    threading.Timer(1, signal.raise_signal, [signal.SIGTERM]).start()
    try:
        with pytest.raises(AirflowException, match="is CANCELLED"), queries:
            queries.wait_for_result("slow", queries.start(slow_query()))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert unfinished_queries() == []


def test_a_query_that_athena_has_while_its_task_is_killed_is_stopped(queries, slow_query, monkeypatch):
    run_query = queries.hook.run_query

    def run_and_kill(*args, **kwargs):
        execution_id = run_query(*args, **kwargs)
        queries.kill()
        return execution_id

    monkeypatch.setattr(queries.hook, "run_query", run_and_kill)
    with pytest.raises(AirflowException, match="is CANCELLED"):
        queries.ask("slow", slow_query())


def test_a_query_that_cannot_be_stopped_keeps_neither_the_reason_nor_the_others(queries, monkeypatch):
    tried = []

    def fail(execution_id):
        tried.append(execution_id)
        raise ConnectionError("no way to Athena")

    monkeypatch.setattr(queries.hook, "stop_query", fail)
    with pytest.raises(AirflowException, match="given up"), queries:
        started = {queries.start("select 1"), queries.start("select 2")}
        raise AirflowException("given up")
    assert set(tried) == started
