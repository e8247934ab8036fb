"""The clients that people have work with the local Athena unchanged."""

import json

import psutil
import pyathena
import pytest
from airflow.providers.amazon.aws.hooks.athena import AthenaHook
from airflow.providers.amazon.aws.operators.athena import AthenaOperator
from airflow.providers.common.compat.sdk import AirflowException
from athena_client import QueryFailed
from pyathena.error import OperationalError

pytestmark = pytest.mark.usefixtures("aws_environment")


@pytest.fixture
def cursor(athena):
    with pyathena.connect(
        s3_staging_dir=f"s3://{athena.bucket}/pyathena/", schema_name=athena.database, poll_interval=0.05
    ) as connection:
        yield connection.cursor()


def operator(athena, query):
    return AthenaOperator(
        task_id="ask",
        query=query,
        database=athena.database,
        output_location=f"s3://{athena.bucket}/airflow/",
        aws_conn_id=None,
        sleep_time=0.1,
    )


def test_pyathena_reads_values_as_pythons_own(cursor):
    cursor.execute("select 1 as n, 'a' as s, cast(null as bigint) as nothing, true as b, 1.5e0 as d, array[1, 2] as l")
    assert cursor.fetchall() == [(1, "a", None, True, 1.5, [1, 2])]
    assert [column[0] for column in cursor.description] == ["n", "s", "nothing", "b", "d", "l"]


def test_pyathena_reads_more_than_one_page(cursor):
    cursor.execute("select x from unnest(sequence(1, 1500)) as t(x)")
    assert [x for (x,) in cursor.fetchall()] == list(range(1, 1501))


def test_pyathena_passes_parameters(cursor):
    cursor.execute("select %(n)d + 1, %(s)s", {"n": 41, "s": "it's"})
    assert cursor.fetchall() == [(42, "it's")]
    cursor.execute("select ? + 1, ?", ["41", "'it''s'"], paramstyle="qmark")
    assert cursor.fetchall() == [(42, "it's")]


def test_pyathena_raises_athenas_reason(cursor):
    with pytest.raises(OperationalError, match="DIVISION_BY_ZERO"):
        cursor.execute("select 1 / 0")


def test_pyathena_counts_the_rows_of_an_insert(athena, cursor):
    table = athena.iceberg("x bigint")
    cursor.execute(f"insert into {table} values (1), (2), (3)")
    assert cursor.rowcount == 3


def test_airflows_hook_runs_a_query_and_reads_its_result(athena):
    hook = AthenaHook(aws_conn_id=None)
    number = hook.run_query(
        "select 7 as n", {"Database": athena.database}, {"OutputLocation": f"s3://{athena.bucket}/airflow/"}
    )
    assert hook.poll_query_status(number, sleep_time=0.05) == "SUCCEEDED"
    rows = hook.get_query_results(number)["ResultSet"]["Rows"]
    assert rows[1]["Data"] == [{"VarCharValue": "7"}]
    assert hook.get_output_location(number) == f"s3://{athena.bucket}/airflow/{number}.csv"


def test_airflows_operator_gives_the_query_it_ran(athena):
    number = operator(athena, "select 1").execute({})
    assert athena.results(number) == [["_col0"], ["1"]]


def test_airflows_operator_fails_with_the_query(athena):
    with pytest.raises(AirflowException, match="TABLE_NOT_FOUND"):
        operator(athena, "select * from nowhere").execute({})


def test_a_workgroups_location_takes_the_results(athena):
    configuration = {"ResultConfiguration": {"OutputLocation": f"s3://{athena.bucket}/team/"}}
    athena.client.create_work_group(Name="team", Configuration=configuration)
    number = athena.start("select 1", WorkGroup="team", ResultConfiguration={})
    execution = athena.wait(number)
    assert execution["ResultConfiguration"]["OutputLocation"] == f"s3://{athena.bucket}/team/{number}.csv"
    assert athena.client.list_query_executions(WorkGroup="team")["QueryExecutionIds"] == [number]


def test_pages_may_be_as_small_as_a_row(athena):
    number = athena.start("select x from (values 1, 2) as t(x) order by x")
    athena.wait(number)
    pages = athena.client.get_paginator("get_query_results").paginate(
        QueryExecutionId=number, PaginationConfig={"PageSize": 1}
    )
    values = [[row["Data"][0]["VarCharValue"] for row in page["ResultSet"]["Rows"]] for page in pages]
    assert values == [["x"], ["1"], ["2"]]


def test_stopping_a_query_ends_the_process_that_works_on_it(aws, athena):
    server = psutil.Process(json.loads((aws.state / "server.lock").read_text())["pid"])

    def engines():
        """{process: the seconds that it has worked}"""
        found = [child for child in server.children() if "local_aws.athena.engine" in child.cmdline()]
        return {child.pid: child.cpu_times().user for child in found}

    before = engines()  # which have worked for other queries

    def busy():
        return {pid for pid, seconds in engines().items() if seconds - before.get(pid, 0) > 1.5}

    many = "unnest(sequence(1, 10000))"
    number = athena.start(f"select count(*) from {many} as a(x), {many} as b(y), {many} as c(z)")
    while not (working := busy()):
        assert athena.execution(number)["Status"]["State"] in ("QUEUED", "RUNNING")
    athena.client.stop_query_execution(QueryExecutionId=number)
    assert not any(psutil.pid_exists(pid) for pid in working)
    with pytest.raises(QueryFailed, match="cancelled"):
        athena.wait(number)
