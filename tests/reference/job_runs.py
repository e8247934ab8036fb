"""The Glue jobs as they are, one after the other in one Spark session, on Iceberg tables in a directory."""

import importlib
import re
import shutil
import sys
from collections import Counter
from pathlib import Path
from unittest.mock import patch

from jinja2 import Template
from pyspark.sql import SparkSession

from lakehouse import staging
from lakehouse.tables import JOBS, SOURCES, TABLES, WRITTEN_TABLES
from stedi.settings import PROJECT
from tests.reference.lakehouse_reference import COLUMNS

DATABASE = "stedi"


def create_tables(spark: SparkSession) -> None:
    """The Iceberg tables, from the DDL that Athena runs, without what only Athena knows."""
    create_table = Template((PROJECT / "include" / "sql" / "create_table.sql").read_text())
    for table in TABLES.values():
        if table.format == "iceberg":
            ddl = create_table.render(table=table, lake={"database": f"glue_catalog.{DATABASE}", "bucket": ""})
            ddl = re.sub(r"\nLOCATION.*", "", ddl, flags=re.DOTALL)
            spark.sql(ddl.replace("\n)\n", "\n)\nUSING iceberg\n", 1))


def run_jobs(
    spark: SparkSession, landing: Path, consent_policy: str = "customer", max_rejected: float = 1
) -> dict[str, Counter]:
    """The content of the tables after a run on a delivery."""
    for folder, table in SOURCES.items():
        (landing / table).symlink_to(landing / folder)  # to nowhere, where a source delivers nothing
    arguments = {"run_id": "run", "database": DATABASE, "landing": landing, "consent_policy": consent_policy}
    arguments |= {"max_rejected": max_rejected, "base": "{}"}
    argv = [part for name, value in arguments.items() for part in (f"--{name}", str(value))]
    for job in JOBS:
        with patch.object(sys, "argv", [job, *argv, "--job_run_id", "one of Glue's own"]):
            importlib.import_module(job).main()
        spark.catalog.clearCache()
    for table in SOURCES.values():
        (landing / table).unlink()
    shutil.rmtree(landing / "landing_repaired", ignore_errors=True)
    return content(spark)


def content(spark: SparkSession) -> dict[str, Counter]:
    """{table: how often each row, in the order of the reference's COLUMNS, is in it}."""
    return {
        table: Counter(map(tuple, spark.table(_name(table)).select(*columns).collect()))
        for table, columns in COLUMNS.items()
    }


def publish(spark: SparkSession) -> None:
    """Makes what the run has staged the content of the tables, as the job ``publish`` does."""
    for table in WRITTEN_TABLES:
        iceberg = staging.iceberg_table(spark, f"glue_catalog.{DATABASE}.{table}")
        staging.publish(iceberg, "run", staging.staged(iceberg, "run").snapshot_id)


def published(spark: SparkSession) -> dict[str, Counter]:
    """The same for what readers of the tables see."""
    names = {table: f"glue_catalog.{DATABASE}.{table}" for table in WRITTEN_TABLES}
    return {
        table: Counter(map(tuple, spark.table(name).select(*COLUMNS[table]).collect())) for table, name in names.items()
    }


def _name(table: str) -> str:
    """Where a run's content of a table is: on its branch, if the table is staged."""
    return f"glue_catalog.{DATABASE}.{table}" + (
        f".branch_{staging.branch_name('run')}" if table in WRITTEN_TABLES else ""
    )
