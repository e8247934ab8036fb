"""Reads tables.toml, the only description of the lakehouse's sources, tables and columns. Needs nothing but Python, so
that the DAGs can import it as well as the jobs."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

#: The type of each kind of column, as Athena and Spark both write it.
SQL_TYPES = {
    "text": "string",
    "time": "bigint",
    "consent": "bigint",
    "number": "double",
    "integer": "int",
    "count": "bigint",
}

#: Why a record is rejected in a file that Athena cannot read: a query that opens the file fails.
DAMAGED_FILE = "damaged_file"
LINE_TOO_LONG = "line_too_long"
UNREADABLE = (DAMAGED_FILE, LINE_TOO_LONG)


class TablesError(ValueError):
    """tables.toml contradicts itself; the message says where."""


@dataclass(frozen=True)
class Column:
    """A column, or a field of a landing record."""

    name: str
    kind: str
    comment: str
    #: The JSON key of a landing field; the column is the key in lower case.
    key: str = ""
    #: Whether a landing record without this field is rejected.
    required: bool = False

    @property
    def sql_type(self) -> str:
        return SQL_TYPES[self.kind]


@dataclass(frozen=True)
class Table:
    """A table of the lakehouse."""

    name: str
    comment: str
    columns: tuple[Column, ...]
    #: ``iceberg``, or an external table: ``json`` (JSON objects), ``landing`` (files as delivered) or ``text`` (lines).
    format: str = "iceberg"
    #: The landing table whose files this table shows as lines.
    lines_of: str = ""
    #: The tables whose records the job of this table judges: each of them gets one outcome.
    inputs: tuple[str, ...] = ()
    #: The job that writes the table, where it is not the one of its own name.
    written_by: str = ""
    #: The columns in which no two rows agree; ``*`` in tables.toml: all of them.
    key: tuple[str, ...] = ()
    #: Iceberg's partition transforms, in Athena's words.
    partitioned_by: tuple[str, ...] = ()
    #: Who a row is about, and whose consent it needs: the column with the person's email, or the one with the serial
    #: number of their device. A table is about whom its first input is about, unless it says otherwise.
    person: str = ""
    device: str = ""
    #: The column that says when a row was measured; the policy ``reading_time`` compares it with the consent.
    instant: str = ""

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def folder(self) -> str:
        """Where the table's files are, below the bucket."""
        return f"warehouse/{self.name}" if self.format == "iceberg" else self.lines_of or self.name


def parse(description: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Table]]:
    """({source: its landing table}, {name: table}) of what tables.toml says; raises ``TablesError``."""
    sources = {source: f"{source}_landing" for source in description["sources"]}
    tables: dict[str, Table] = {}
    for source, given in description["sources"].items():
        fields = [
            _column(sources[source], {"name": field.get("key", "").lower(), **field}) for field in given["fields"]
        ]
        settings = {key: value for key, value in given.items() if key != "fields"}
        _add(tables, sources[source], fields, format="landing", **settings)
        line = Column("line", "text", "a line as delivered")
        comment = f"The lines of the files of {sources[source]}, for the checks. Grain: a line"
        _add(tables, f"{source}_lines", [line], format="text", lines_of=sources[source], comment=comment)
    for name, given in description["tables"].items():
        settings = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
        inherited = _inherited(tables, name, settings.get("inputs", ()))
        for parent in settings.get("inputs", ())[:1]:
            about = {key: getattr(tables[parent], key) for key in ("person", "device", "instant")}
            settings = about | settings
        columns: list[Column] = []
        for entry in settings.pop("columns", ["*"]):
            if entry == "*":
                columns += inherited.values()
            elif isinstance(entry, dict):
                columns.append(_column(name, entry))
            elif entry in inherited:
                columns.append(inherited[entry])
            else:
                raise TablesError(f"{name}: none of its inputs has a column {entry}; they have {', '.join(inherited)}")
        _add(tables, name, columns, **settings)
    return sources, tables


def _column(table: str, entry: Mapping[str, Any]) -> Column:
    try:
        return Column(**entry)
    except TypeError as error:
        raise TablesError(f"{table}.{entry.get('name', '')}: {_complaint(error)}") from None


def _complaint(error: TypeError) -> str:
    """What a constructor says of a key that it does not know, or lacks."""
    return str(error).partition("() ")[2].replace("keyword argument", "key").replace("positional argument", "key")


def _inherited(tables: dict[str, Table], name: str, parents: tuple[str, ...]) -> dict[str, Column]:
    """{name: column} of the parents' columns."""
    columns: dict[str, Column] = {}
    for parent in parents:
        if parent not in tables:
            raise TablesError(f"{name}: its input {parent} must be described before it")
        for column in tables[parent].columns:
            if columns.setdefault(column.name, column).kind != column.kind:
                raise TablesError(f"{name}: {column.name} has one kind in {parent} and another in its other inputs")
    return columns


def _add(tables: dict[str, Table], name: str, columns: list[Column], **settings: Any) -> None:
    names = [column.name for column in columns]
    if settings.get("key") == ("*",):
        settings["key"] = tuple(names)
    try:
        table = Table(name, columns=tuple(columns), **settings)
    except TypeError as error:
        raise TablesError(f"{name}: {_complaint(error)}") from None
    if repeated := {column for column in names if names.count(column) > 1}:
        raise TablesError(f"{name}: the column {repeated.pop()} is described twice")
    for column in columns:
        if column.kind not in SQL_TYPES:
            raise TablesError(f"{name}.{column.name} is of kind {column.kind!r}; it can be {', '.join(SQL_TYPES)}")
    for reference in filter(None, [*table.key, table.person, table.device, table.instant]):
        if reference not in names:
            raise TablesError(f"{name} has no column {reference}")
    if any("'" in text for text in (table.comment, *(column.comment for column in columns))):
        raise TablesError(f"{name}: a comment cannot contain a single quote")
    if (table.inputs or table.written_by) and not (table.person or table.device):
        raise TablesError(f"{name}: whose consent do its rows need? Name the column with the person or their device")
    tables[name] = table


#: {source: its landing table}, {name: table}; both in the order of tables.toml, which is that of the data flow.
SOURCES, TABLES = parse(tomllib.loads((files("lakehouse") / "tables.toml").read_text()))

LANDING_TABLES = tuple(SOURCES.values())
#: The jobs, named after the table that each one writes.
JOBS = tuple(table.name for table in TABLES.values() if table.inputs)
#: The tables that a job writes beside its own.
SIDE_TABLES = {job: tuple(t.name for t in TABLES.values() if t.written_by == job) for job in JOBS}
#: All tables with people's data that jobs write: the trusted and curated ones, and device_owners.
WRITTEN_TABLES = tuple(table.name for table in TABLES.values() if table.inputs or table.written_by)


def columns(table: str) -> list[str]:
    """The names of a table's columns."""
    return list(TABLES[table].column_names)


def lineage() -> dict[str, list[str]]:
    """{landing table: the tables that its records reach, in order}."""
    lines = {}
    for landing in LANDING_TABLES:
        line, last = [], landing
        while following := next((table.name for table in TABLES.values() if last in table.inputs), None):
            line.append(following)
            last = following
        lines[landing] = line
    return lines
