"""``make query``: asks Athena, and prints its answer."""

import csv
import logging
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError
from pyathena import connect
from pyathena.converter import Converter
from pyathena.error import DatabaseError
from rich.text import Text

from dev.settings import CommandError, lakehouse_settings
from dev.terminal import new_console, print_line, print_table

FORMATS = ("table", "csv")
#: More rows than this nobody reads on a terminal.
TABLE_ROWS = 1000

Row = list[str | None]

# Its warnings repeat what the commands say themselves.
logging.getLogger("pyathena").addHandler(logging.NullHandler())


class QueryError(CommandError):
    """A query that Athena did not accept or that failed, with Athena's reason."""


class _AsWritten(Converter):
    """Values as Athena writes them, NULL as None."""

    def __init__(self) -> None:
        super().__init__(mappings={})

    def convert(self, type_: str, value: str | None, type_hint: str | None = None) -> str | None:
        return value


def ask(sql: str, workgroup: str | None = None) -> tuple[list[str], Iterator[Row]]:
    """The columns and the rows of Athena's answer, once the query has succeeded; an interrupt stops the query.

    Raises ``QueryError``.
    """
    settings = lakehouse_settings()
    connection = connect(
        schema_name=settings.database,
        work_group=workgroup or settings.athena_workgroup,
        s3_staging_dir=settings.athena_output,
        poll_interval=0.1,
        converter=_AsWritten(),
    )
    cursor: Any = connection.cursor()
    try:
        cursor.execute(sql)
    except DatabaseError as error:
        cause = error.__cause__
        reason = cause.response["Error"]["Message"] if isinstance(cause, ClientError) else str(error)
        raise QueryError(reason) from error
    return [column[0] for column in cursor.description or []], (list(row) for row in cursor)


def count_rows(tables: Iterable[str], workgroup: str | None = None) -> dict[str, int | None]:
    """The number of rows of each table; None where Athena cannot tell: there is no such table, say."""

    def count(table: str) -> int | None:
        with suppress(QueryError):
            return int(next(ask(f'SELECT count(*) FROM "{table}"', workgroup)[1])[0] or 0)
        return None

    names = list(tables)
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(names, pool.map(count, names), strict=True))


def show(sql: str, output_format: str) -> None:
    """Prints the answer to ``sql`` on standard output: as a table, or as CSV and nothing else."""
    columns, rows = ask(sql)
    if output_format == "csv":
        print_csv(columns, rows)
    else:
        print_rows(columns, rows)


def print_csv(columns: list[str], rows: Iterable[Row]) -> None:
    """Prints a header and the rows as CSV; a NULL is an empty field."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)


def print_rows(columns: list[str], rows: Iterator[Row]) -> None:
    """Prints at most ``TABLE_ROWS`` rows as a table, and says so when there are more."""
    first = list(islice(rows, TABLE_ROWS))
    console = new_console()
    numeric = [bool(first) and all(row[n] is None or _is_number(row[n]) for row in first) for n in range(len(columns))]
    null = Text("NULL", style="dim")
    print_table(console, columns, [[null if value is None else value for value in row] for row in first], numeric)
    count = f"{len(first)} row{'' if len(first) == 1 else 's'}"
    more = next(rows, None) is not None
    print_line(console, f"the first {TABLE_ROWS} rows; FORMAT=csv prints all" if more else count, style="dim")


def _is_number(value: str | None) -> bool:
    try:
        float(value or "")
    except ValueError:
        return False
    return True
