"""``make query``: asks Athena, and prints its answer."""

import csv
import functools
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import Any

import sqlglot
from botocore.exceptions import ClientError
from pyathena import connect
from pyathena.connection import Connection
from pyathena.converter import Converter
from pyathena.error import DatabaseError
from rich.text import Text
from sqlglot import exp
from sqlglot.errors import SqlglotError

from dev.settings import CommandError, lakehouse_settings
from dev.terminal import new_console, print_line, print_table
from stedi.snapshots import staged_snapshots
from stedi.tables import WRITTEN_TABLES

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
    cursor: Any = _connection(workgroup or lakehouse_settings().athena_workgroup).cursor()
    try:
        cursor.execute(sql)
    except DatabaseError as error:
        cause = error.__cause__
        reason = cause.response["Error"]["Message"] if isinstance(cause, ClientError) else str(error)
        raise QueryError(reason) from error
    return [column[0] for column in cursor.description or []], (list(row) for row in cursor)


@functools.cache
def _connection(workgroup: str) -> Connection[Any]:
    """One for all queries, since to make one takes 0.1 s."""
    settings = lakehouse_settings()
    return connect(
        schema_name=settings.database,
        work_group=workgroup,
        s3_staging_dir=settings.athena_output,
        poll_interval=0.1,
        converter=_AsWritten(),
    )


def count_rows(tables: Iterable[str], workgroup: str | None = None) -> dict[str, int | None]:
    """The number of rows of each table; None where Athena cannot tell: there is no such table, say."""

    def count(table: str) -> int | None:
        with suppress(QueryError):
            return int(next(ask(f'SELECT count(*) FROM "{table}"', workgroup)[1])[0] or 0)
        return None

    names = list(tables)
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(names, pool.map(count, names), strict=True))


def show(sql: str, output_format: str, *, run: str = "", at: str = "") -> None:
    """Prints the answer to ``sql`` on standard output: as a table, or as CSV and nothing else.

    run: the tables as this run has staged them; at: as it has released them. Raises ``CommandError`` where it has not.
    """
    if run and at:
        raise CommandError("RUN (what a run has staged) and AT (what it has released) exclude each other")
    if run or at:
        sql = _with_snapshots(sql, lambda tables: _staged(tables, run) if run else _released(tables, at))
    columns, rows = ask(sql)
    if output_format == "csv":
        print_csv(columns, rows)
    else:
        print_rows(columns, rows)


def _with_snapshots(sql: str, find: Callable[[set[str]], dict[str, str]]) -> str:
    """The query with ``FOR VERSION AS OF`` after each published table that it names without one."""
    try:
        statement = sqlglot.parse_one(sql, read="athena")
    except SqlglotError as error:
        raise QueryError(str(error).splitlines()[0]) from None
    own = {cte.alias for cte in statement.find_all(exp.CTE)}
    database = lakehouse_settings().database
    named = [
        table.this
        for table in statement.find_all(exp.Table)
        if table.name.lower() in WRITTEN_TABLES
        and (table.db.lower() == database if table.db else table.name not in own)
        and not table.args.get("version")
    ]
    snapshots = find({name.name.lower() for name in named}) if named else {}
    for name in sorted(named, key=lambda name: -name.meta["end"]):
        end = name.meta["end"] + 1
        sql = f"{sql[:end]} FOR VERSION AS OF {snapshots[name.name.lower()]}{sql[end:]}"
    return sql


def _staged(tables: set[str], run: str) -> dict[str, str]:
    """{table: the snapshot that a run has staged}; raises ``CommandError``."""
    answer = ask(staged_snapshots(lakehouse_settings().database, sorted(tables), run))[1]
    found = {str(table): str(snapshot) for table, snapshot in answer}
    if missing := sorted(tables - set(found)):
        raise CommandError(
            f"RUN is {run!r}; that run has not staged {', '.join(missing)}, or a later run has replaced what it staged"
        )
    return found


def _released(tables: set[str], run: str) -> dict[str, str]:
    """{table: the snapshot that a run has released}; raises ``CommandError``."""
    quoted = run.replace("'", "''")
    kept = " UNION ALL ".join(f"SELECT '{table}', snapshot_id FROM \"{table}$snapshots\"" for table in sorted(tables))
    sql = f"""
        SELECT r.table_name, r.snapshot_id, s.snapshot_id
        FROM (
            SELECT table_name, max_by(snapshot_id, released_at) AS snapshot_id
            FROM releases WHERE run_id = '{quoted}' GROUP BY table_name
        ) AS r
        LEFT JOIN ({kept}) AS s(table_name, snapshot_id)
            ON s.table_name = r.table_name AND s.snapshot_id = r.snapshot_id
    """
    released, gone = dict[str, str](), set[str]()
    for table, snapshot, still_there in ask(sql)[1]:
        if table in tables:
            released[str(table)] = str(snapshot)
            if still_there is None:
                gone.add(str(table))
    if not released:
        raise CommandError(f'AT is {run!r}; no such run was released: see make query SQL="select * from releases"')
    if missing := sorted(tables - set(released)):
        raise CommandError(f"AT is {run!r}; that release has no {', '.join(missing)}")
    if gone:
        raise CommandError(f"AT is {run!r}; that release is gone: the maintenance has deleted it")
    return released


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
