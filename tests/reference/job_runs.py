"""The five Glue jobs as they are, one after the other in one Spark session, on Iceberg tables in a directory."""

import importlib
import re
import shutil
import sys
from collections import Counter
from pathlib import Path
from unittest.mock import patch

from jinja2 import Template
from pyspark.sql import SparkSession

from stedi.settings import PROJECT
from tests.reference.lakehouse_reference import COLUMNS, FOLDERS

DATABASE = "stedi"
JOBS = ("customer_trusted", "accelerometer_trusted", "customers_curated", "step_trainer_trusted")
JOBS += ("machine_learning_curated",)


def create_tables(spark: SparkSession) -> None:
    """The Iceberg tables, from the DDL of include/sql/tables without what only Athena knows."""
    for table in COLUMNS:
        ddl = (PROJECT / "include" / "sql" / "tables" / f"{table}.sql").read_text()
        ddl = Template(ddl).render(lake={"database": f"glue_catalog.{DATABASE}", "bucket": ""})
        ddl = re.sub(r"\nLOCATION.*", "", ddl, flags=re.DOTALL)
        spark.sql(ddl.replace("\n)\n", "\n)\nUSING iceberg\n", 1))


def run_jobs(
    spark: SparkSession,
    landing: Path,
    consent_policy: str = "customer",
    match_on: str = "customer_and_time",
    max_refused: float = 1,
) -> dict[str, Counter]:
    """The content of the tables after a run on a delivery."""
    for table, folder in FOLDERS.items():
        (landing / folder).mkdir(exist_ok=True)
        (landing / table).symlink_to(landing / folder)
    arguments = {"run_id": "run", "database": DATABASE, "landing": landing, "consent_policy": consent_policy}
    arguments |= {"match_on": match_on, "max_refused": max_refused}
    argv = [part for name, value in arguments.items() for part in (f"--{name}", str(value))]
    for job in JOBS:
        with patch.object(sys, "argv", [job, *argv, "--job_run_id", "one of Glue's own"]):
            importlib.import_module(job).main()
        spark.catalog.clearCache()
    for table in FOLDERS:
        (landing / table).unlink()
    shutil.rmtree(landing / "landing_repaired", ignore_errors=True)
    return content(spark)


def content(spark: SparkSession) -> dict[str, Counter]:
    """{table: how often each row, in the order of the reference's COLUMNS, is in it}."""
    return {
        table: Counter(map(tuple, spark.table(f"glue_catalog.{DATABASE}.{table}").select(*columns).collect()))
        for table, columns in COLUMNS.items()
    }
