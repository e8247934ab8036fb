"""Creates the tables of the description, and gives tables that exist the columns that are new."""

from collections.abc import Iterable, Mapping
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stedi.athena import AthenaQueries
from stedi.settings import PROJECT, Settings
from stedi.tables import LANDING_TABLES, Table

#: Types that the Glue catalog may have under another name than tables.py.
SAME_TYPES = {"integer": "int"}


class IncompatibleTablesError(ValueError):
    """Tables that exist cannot become those of the description without a loss; the message names table and column."""


def existing_columns(glue: Any, database: str) -> dict[str, dict[str, str]]:
    """{table: {column: type}} of a database in the Glue catalog; ``glue`` is a boto3 client."""
    return {
        table["Name"]: {
            column["Name"]: SAME_TYPES.get(column["Type"], column["Type"])
            for column in table["StorageDescriptor"]["Columns"]
            # Iceberg leaves the columns that a table once had in the catalog.
            if column.get("Parameters", {}).get("iceberg.field.current") != "false"
        }
        for page in glue.get_paginator("get_tables").paginate(DatabaseName=database)
        for table in page["TableList"]
    }


def statements(
    tables: Iterable[Table], existing: Mapping[str, Mapping[str, str]], settings: Settings
) -> dict[str, str]:
    """{table: the DDL statement that makes it what the description says}; tables that need none are left out.

    Raises ``IncompatibleTablesError``, which names every table and column that would lose or change data.
    """
    sql = Environment(loader=FileSystemLoader(PROJECT / "include" / "sql"), undefined=StrictUndefined)
    create_table = sql.get_template("create_table.sql")
    found, problems = {}, []
    for table in tables:
        if table.name not in existing:
            lake = {"bucket": settings.bucket, "database": settings.database}
            found[table.name] = create_table.render(table=table, lake=lake)
            continue
        columns = existing[table.name]
        described = {column.name: column.sql_type for column in table.columns}
        problems += [
            f"{table.name}.{name}: the table has this column, and tables.toml does not describe it"
            for name in columns
            if name not in described
        ]
        problems += [
            f"{table.name}.{name}: it is {columns[name]} in the table, and {sql_type} in tables.toml"
            for name, sql_type in described.items()
            if columns.get(name, sql_type) != sql_type
        ]
        added = [column for column in table.columns if column.name not in columns]
        if added:
            definitions = ", ".join(f"`{column.name}` {column.sql_type} COMMENT '{column.comment}'" for column in added)
            found[table.name] = f"ALTER TABLE {settings.database}.{table.name} ADD COLUMNS ({definitions})"
    if problems:
        raise IncompatibleTablesError(
            "No table was changed, since a change would lose data:\n  "
            + "\n  ".join(problems)
            + "\nDescribe the columns as they are. If an earlier version made these tables, drop everything but the "
            f"landing zone, and let the next run rebuild it:\n  {drop_command(settings)}"
        )
    return found


def create(tables: Iterable[Table], glue: Any, settings: Settings) -> list[str]:
    """Creates the database and the tables, and adds new columns; returns the names of the tables that it changed.

    Raises ``IncompatibleTablesError`` before any table is changed, and AirflowException where a statement fails.
    """
    with AthenaQueries.of(settings, database="default") as athena:
        comment = "STEDI step trainer: landing, trusted and curated tables"
        database = f"CREATE DATABASE IF NOT EXISTS {settings.database} COMMENT '{comment}'"
        athena.ask("create the database", database)
        ddl = statements(tables, existing_columns(glue, settings.database), settings)
        # All at once: no statement depends on another.
        executions = {name: athena.start(sql) for name, sql in ddl.items()}
        for name, execution_id in executions.items():
            athena.wait_for_result(f"{name}: {ddl[name].partition('(')[0].strip()}", execution_id)
    return list(ddl)


def drop_command(settings: Settings) -> str:
    """The command that drops the tables and their files, and leaves the landing zone."""
    keep = " ".join(f"--exclude '{table}/*'" for table in LANDING_TABLES)
    return (
        f"aws glue delete-database --name {settings.database} && "
        f"aws s3 rm s3://{settings.bucket}/ --recursive {keep}    (with the local AWS: make drop-tables)"
    )
