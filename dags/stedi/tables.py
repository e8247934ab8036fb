"""The description of the sources and tables, for the DAGs: they read the same one as the Glue jobs."""

import sys

from stedi.settings import PROJECT

# On the workers of Airflow nothing else puts the jobs' package there.
if str(PROJECT / "glue_scripts") not in sys.path:
    sys.path.append(str(PROJECT / "glue_scripts"))

from lakehouse.staging import branch_name
from lakehouse.tables import (
    JOBS,
    LANDING_TABLES,
    SIDE_TABLES,
    SOURCES,
    TABLES,
    UNREADABLE,
    WRITTEN_TABLES,
    Column,
    Table,
    lineage,
)

#: The tables with snapshots.
ICEBERG_TABLES = tuple(table.name for table in TABLES.values() if table.format == "iceberg")

__all__ = [
    "ICEBERG_TABLES",
    "JOBS",
    "LANDING_TABLES",
    "SIDE_TABLES",
    "SOURCES",
    "TABLES",
    "UNREADABLE",
    "WRITTEN_TABLES",
    "Column",
    "Table",
    "branch_name",
    "lineage",
]
