"""Asks Athena through its API, and prints what it answers."""

import csv
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dev.settings import CommandError, lakehouse_settings

FORMATS = ("table", "csv")
#: More rows than this nobody reads on a terminal.
TABLE_ROWS = 1000

Row = list[str | None]


class QueryError(CommandError):
    """A query that Athena refused or that failed, with Athena's reason."""


class Athena:
    """Queries on the lakehouse's database."""

    def __init__(self) -> None:
        self.client = boto3.client("athena")
        self.settings = lakehouse_settings()

    def start(self, sql: str) -> str:
        """Starts a query, gives its id; raises ``QueryError`` when Athena does not accept it."""
        try:
            return self.client.start_query_execution(
                QueryString=sql,
                QueryExecutionContext={"Database": self.settings.database},
                WorkGroup=self.settings.athena_workgroup,
                ResultConfiguration={"OutputLocation": self.settings.athena_output},
            )["QueryExecutionId"]
        except ClientError as error:
            raise QueryError(error.response["Error"]["Message"]) from error

    def wait(self, query: str) -> None:
        """Waits for the query's end; raises ``QueryError`` unless it succeeded. An interrupt stops the query."""
        pause = 0.05
        try:
            while True:
                status = self.client.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
                if status["State"] == "SUCCEEDED":
                    return
                if status["State"] in ("FAILED", "CANCELLED"):
                    raise QueryError(status.get("StateChangeReason") or f"The query ended as {status['State']}.")
                time.sleep(pause)
                pause = min(2 * pause, 1.0)
        except KeyboardInterrupt:
            self.client.stop_query_execution(QueryExecutionId=query)
            raise

    def result(self, query: str) -> tuple[list[str], Iterator[Row]]:
        """The columns and the rows of a query that has succeeded; NULL is None."""
        pages = iter(self.client.get_paginator("get_query_results").paginate(QueryExecutionId=query))
        first = next(pages)["ResultSet"]
        columns = [column["Name"] for column in first["ResultSetMetadata"]["ColumnInfo"]]

        def rows() -> Iterator[Row]:
            yield from _values(first["Rows"])
            for page in pages:
                yield from _values(page["ResultSet"]["Rows"])

        found = rows()
        # A SELECT's first row repeats the columns' names; the result of DDL, of SHOW or of DESCRIBE has no such row.
        head = list(islice(found, 1))
        return columns, found if head == [columns] else (row for part in (head, found) for row in part)

    def count_rows(self, tables: Iterable[str]) -> dict[str, int | None]:
        """The number of rows of each table; None where Athena cannot tell: there is no such table, say."""
        counts: dict[str, int | None] = dict.fromkeys(tables)
        queries = {}
        for table in counts:
            with suppress(QueryError, BotoCoreError):
                queries[table] = self.start(f'SELECT count(*) FROM "{table}"')
        for table, query in queries.items():
            with suppress(QueryError, BotoCoreError):
                self.wait(query)
                counts[table] = int(next(self.result(query)[1])[0] or 0)
        return counts


def _values(rows: list[dict]) -> Iterator[Row]:
    for row in rows:
        yield [value.get("VarCharValue") for value in row["Data"]]


def show(sql: str, output_format: str) -> None:
    """Prints the answer to ``sql`` on standard output: as a table, or as CSV and nothing else."""
    athena = Athena()
    query = athena.start(sql)
    athena.wait(query)
    columns, rows = athena.result(query)
    if output_format == "csv":
        print_csv(columns, rows)
    else:
        print_table(columns, rows)


def print_csv(columns: list[str], rows: Iterable[Row]) -> None:
    """Prints a header and the rows as CSV; a NULL is an empty field."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)


def print_table(columns: list[str], rows: Iterator[Row]) -> None:
    """Prints at most ``TABLE_ROWS`` rows, and says so when there are more."""
    shown = list(islice(rows, TABLE_ROWS))
    console = Console()
    table = Table(box=box.SIMPLE_HEAD)
    for index, column in enumerate(columns):
        numeric = bool(shown) and all(row[index] is None or _is_number(row[index]) for row in shown)
        table.add_column(Text(column), justify="right" if numeric else "left", overflow="fold")
    for row in shown:
        table.add_row(*(Text("NULL", style="dim") if value is None else Text(value) for value in row))
    if not console.is_terminal:
        console.width = 1_000_000
    console.print(table)
    more = next(rows, None) is not None
    console.print(
        f"the first {TABLE_ROWS} rows; FORMAT=csv prints all"
        if more
        else f"{len(shown)} row{'' if len(shown) == 1 else 's'}",
        style="dim",
        highlight=False,
    )


def _is_number(value: str | None) -> bool:
    try:
        float(value or "")
    except ValueError:
        return False
    return True
