"""The tables of the lakehouse, and the jobs that fill them: what both DAGs go through."""

from stedi.delivery import SOURCES

LANDING_TABLES = list(SOURCES.values())
# The jobs, named after the tables that they fill.
JOBS = [
    "customer_trusted",
    "accelerometer_trusted",
    "customers_curated",
    "step_trainer_trusted",
    "machine_learning_curated",
]
#: What a job fills beside its own table.
BESIDE = {"step_trainer_trusted": ["device_owners"]}
#: All tables that jobs fill.
FILLED = [*JOBS, *(table for tables in BESIDE.values() for table in tables)]
#: The tables with snapshots, under ``warehouse/``; the others are JSON files.
ICEBERG_TABLES = ["landing_quarantine", *FILLED, "job_audit"]
TABLES = [*LANDING_TABLES, "landing_repaired", "check_audit", *ICEBERG_TABLES]
