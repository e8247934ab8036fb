"""What `make query` prints, and Athena's own words in it."""

import csv
import io
import signal
import subprocess
import sys
import time

import pytest

from dev import query

from .conftest import PROJECT

SLOW = (
    "SELECT count(*) FROM UNNEST(sequence(1, 1000000)) AS a(x) CROSS JOIN UNNEST(sequence(1, 1000000)) AS b(y) "
    "WHERE x * y % 7 = 3"
)


def test_csv_quotes_what_needs_it_and_leaves_null_empty(capsys):
    query.print_csv(["a", "b"], [["x,y", None], ['"', "1"]])
    assert capsys.readouterr().out == 'a,b\n"x,y",\n"""",1\n'


def test_a_table_is_not_cut_at_the_width_of_a_terminal_that_is_none(capsys):
    query.print_rows(["text"], iter([["x" * 300], ["[bold]"], [None]]))
    printed = capsys.readouterr().out
    assert "x" * 300 in printed
    assert "[bold]" in printed
    assert "NULL" in printed
    assert printed.endswith("3 rows\n")


def test_a_table_says_when_there_are_more_rows_than_it_shows(capsys):
    query.print_rows(["n"], ([str(n)] for n in range(query.TABLE_ROWS + 1)))
    printed = capsys.readouterr().out
    assert f"the first {query.TABLE_ROWS} rows; FORMAT=csv prints all" in printed
    assert str(query.TABLE_ROWS) not in printed.split("the first")[0]


def test_a_line_of_a_table_in_a_file_does_not_end_in_blanks(capsys):
    query.print_rows(["short", "long"], iter([["a", "x" * 300], ["b", "y"]]))
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line != line.rstrip()] == []
    assert "  b       y" in lines


def test_values_come_as_athena_writes_them_and_null_is_not_empty(lake_aws):
    columns, rows = query.ask(
        "select 1.50 as d, timestamp '2024-01-01 00:00:00' as t, cast(null as varchar) as n, '' as e"
    )
    assert (columns, list(rows)) == (["d", "t", "n", "e"], [["1.50", "2024-01-01 00:00:00.000", None, ""]])


def test_a_row_that_repeats_the_columns_names_is_a_row(lake_aws):
    assert list(query.ask("select 'x' as x")[1]) == [["x"]]


def test_ddl_and_show_are_answered(lake_aws):
    assert list(query.ask("create database shown")[1]) == []
    assert ["shown"] in list(query.ask("show databases")[1])
    assert list(query.ask("drop database shown")[1]) == []


def test_more_rows_than_a_page_has_are_all_there(lake_aws):
    assert len(list(query.ask("select * from unnest(sequence(1, 2500)) as t(n)")[1])) == 2500


def test_csv_is_all_that_is_printed(lake_aws, command):
    printed = command("query", "--format", "csv", "--", "select 'a,b' as c, 'x%' as d where 'x%' like '%'")
    assert (printed.returncode, printed.stderr) == (0, "")
    assert list(csv.reader(io.StringIO(printed.stdout))) == [["c", "d"], ["a,b", "x%"]]


@pytest.mark.parametrize(
    ("sql", "reason"), [("selekt 1", "line 1:"), ("select * from nowhere", "TABLE_NOT_FOUND: line 1:15: Table ")]
)
def test_an_error_is_in_athenas_words(lake_aws, sql, reason):
    with pytest.raises(query.QueryError) as failed:
        query.ask(sql)
    assert str(failed.value).startswith(reason)


def test_the_rows_of_a_table_that_is_not_there_are_unknown(lake_aws):
    assert query.count_rows(["nowhere"]) == {"nowhere": None}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_stops_the_query(lake_aws, number):
    athena = lake_aws.client("athena")
    process = subprocess.Popen([sys.executable, "-m", "dev", "query", "--", SLOW], cwd=PROJECT)
    deadline = time.monotonic() + 60

    def running():
        ids = athena.list_query_executions()["QueryExecutionIds"]
        found = athena.batch_get_query_execution(QueryExecutionIds=ids)["QueryExecutions"] if ids else []
        return [
            one["QueryExecutionId"] for one in found if one["Query"] == SLOW and one["Status"]["State"] == "RUNNING"
        ]

    while not running():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(number)
    assert process.wait(30) == 130
    assert running() == []
