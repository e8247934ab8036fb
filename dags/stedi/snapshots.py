"""Queries for snapshots of tables: their content, and what a run has staged. They return table_name and snapshot_id."""

from collections.abc import Iterable

from stedi.tables import branch_name

#: {table: snapshot}, as text: Airflow's UI rounds numbers as long as these.
Snapshots = dict[str, str]


def current_snapshots(database: str, tables: Iterable[str]) -> str:
    """The snapshots that are the content of the tables; a table that was never written has none."""
    return "\nunion all\n".join(
        f"""select '{table}' as table_name, snapshot_id from "{database}"."{table}$refs" where name = 'main'"""
        for table in tables
    )


def staged_snapshots(database: str, tables: Iterable[str], run_id: str) -> str:
    """The snapshots that a run has staged; those that it has written, since its branch begins with another's."""
    run = run_id.replace("'", "''")
    return "\nunion all\n".join(
        f"""select '{table}' as table_name, r.snapshot_id
from "{database}"."{table}$refs" as r
inner join "{database}"."{table}$snapshots" as s on s.snapshot_id = r.snapshot_id
where r.name = '{branch_name(run_id)}' and element_at(s.summary, 'run_id') = '{run}'"""
        for table in tables
    )
