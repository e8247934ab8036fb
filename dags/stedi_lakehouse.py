"""The STEDI lakehouse, from delivered JSON to trusted tables. Read it top to bottom; the topology stands at the end.

infra/stedi.yaml has the permissions that it needs on AWS.
"""

import re
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from airflow.providers.amazon.aws.hooks.glue_catalog import GlueCatalogHook
from airflow.providers.amazon.aws.operators.glue import GlueJobOperator
from airflow.sdk import DAG, Asset, Param, TaskGroup, task
from airflow.sdk.exceptions import AirflowFailException

from stedi.athena import AthenaQueries
from stedi.delivery import SAMPLE, LandingSourceError, deliver
from stedi.glue_code import code_hash
from stedi.glue_job import glue_job, upload_glue_code
from stedi.handover import delete_handovers
from stedi.published_sensor import PublishedSensor
from stedi.quality_sensor import AthenaQualitySensor, staged
from stedi.report.operator import LakehouseReport
from stedi.s3 import s3_client
from stedi.settings import PROJECT, Settings
from stedi.snapshots import current_snapshots
from stedi.table_definitions import IncompatibleTablesError, create
from stedi.tables import JOBS, LANDING_TABLES, SOURCES, TABLES, WRITTEN_TABLES
from stedi.turn_sensor import TurnSensor
from stedi.unreadable_files import unreadable_files

settings = Settings.from_environment()

SQL = PROJECT / "include" / "sql"
CHECKS = sorted(path.stem for path in (SQL / "checks").glob("*.sql"))
#: What the tables held when the run began, for the jobs.
BASE = "{{ ti.xcom_pull('base_snapshots') | tojson }}"


def audited(ti: Any) -> dict[str, str]:
    """{table: the snapshot that its checks have read}; raises AirflowFailException if they have read different ones."""
    found: dict[str, str] = {}
    for check in CHECKS:
        for table, snapshot in ti.xcom_pull(task_ids=f"checks.{check}")["snapshots"].items():
            if found.setdefault(table, snapshot) != snapshot:
                raise AirflowFailException(f"The checks read different snapshots of {table}; clear the checks.")
    return found


PARAMS = {
    "landing": Param(
        settings.landing,
        type="string",
        minLength=1,
        title="Landing source",
        description="What to deliver: a directory on the worker, or an s3:// prefix, with a folder for each source: "
        f"{', '.join(f'{source}/' for source in SOURCES)}; or {SAMPLE}, the sample data of the project.",
    ),
    "consent_policy": Param(
        "customer",
        type="string",
        enum=["customer", "reading_time"],
        title="Consent policy",
        description="customer: a person who has agreed shares all their readings. "
        "reading_time: only the readings taken at or after the instant of consent.",
    ),
    "max_rejected": Param(
        0.05,
        type="number",
        minimum=0,
        maximum=1,
        title="Most rejected records",
        description="The share of a landing table's records that may be rejected, from 0 to 1. Above it the job fails "
        "and nothing is published; landing_quarantine says which records, and why.",
    ),
    "max_lost": Param(
        0.2,
        type="number",
        minimum=0,
        maximum=1,
        title="Most rows lost",
        description="The share of its rows that a table may lose since the last release under the same consent "
        "policy, from 0 to 1. Losing more is a violation; a run with 1 here accepts the loss.",
    ),
}

with DAG(
    dag_id="stedi_lakehouse",
    description="Raw JSON deliveries become trusted tables for data scientists, with consent as an invariant",
    doc_md="""
### STEDI lakehouse

Delivers customer records, accelerometer readings and step readings to the landing zone, builds the trusted and
curated tables with one Glue job each, and checks them in Athena.

| step | what it does |
|---|---|
| `wait_for_turn` | waits until no other run is writing |
| `upload_landing`, `upload_code` | sends what S3 does not have yet |
| `delete_old_handovers` | deletes what the jobs of earlier runs left for each other |
| `create_tables` | creates the tables of `tables.toml` in Athena; existing ones get new columns |
| `base_snapshots` | notes what the tables hold before this run |
| Glue jobs | each writes its table on a branch of the run, which readers do not see |
| `unreadable_files` | finds the landing files that Athena cannot read, which the checks leave out |
| `checks` | one SQL file each, `include/sql/checks/`; a violation fails the run at once, without retries |
| `publish` | makes what was checked the content of the tables, and records it in `releases` |
| `publish_report` | what the run did, for people: `reports/<run id>/index.html` in the bucket, also of a failed run |
| `published` | waits until Athena shows what was published; then the assets have an event each |

Run it by hand with **Trigger**; the form explains the parameters. A table, its job, its script and its task share one
name. Running it again changes nothing unless the landing data changed.
""",
    schedule=settings.schedule,
    catchup=False,
    max_active_runs=1,
    params=PARAMS,
    default_args=settings.task_defaults,
    template_searchpath=[str(SQL)],
    user_defined_macros={
        "lake": {
            "bucket": settings.bucket,
            "database": settings.database,
            "tables": TABLES,
            "landing": LANDING_TABLES,
            "jobs": JOBS,
            "written": WRITTEN_TABLES,
            "staged": partial(staged, settings.database),
        },
        "audited": audited,
        "code_hash": code_hash,
    },
    tags=["stedi", "glue", "athena", "iceberg"],
) as dag:

    def asset(table: str) -> Asset:
        return Asset(name=table, uri=f"s3://{settings.bucket}/{TABLES[table].folder}")

    @task
    def upload_landing(source: str) -> dict[str, dict[str, int]]:
        """Landing table -> files in the source, and files sent because they were new or changed."""
        try:
            return deliver(s3_client(settings), source, settings.bucket)
        except LandingSourceError as error:
            raise AirflowFailException(str(error)) from None  # another attempt would find the same

    @task
    def create_tables() -> list[str]:
        """The tables that were created, or got columns."""
        try:
            return create(TABLES.values(), GlueCatalogHook().get_conn(), settings)
        except IncompatibleTablesError as error:
            raise AirflowFailException(str(error)) from None

    @task
    def base_snapshots() -> dict[str, str | None]:
        """Table -> the snapshot that readers see when this run begins to write; None in a new table."""
        with AthenaQueries.of(settings) as queries:
            sql = current_snapshots(settings.database, WRITTEN_TABLES)
            found = {row["table_name"]: row["snapshot_id"] for row in queries.ask("base_snapshots", sql)}
        return dict.fromkeys(WRITTEN_TABLES) | found

    @task
    def delete_old_handovers(**context: Any) -> list[str]:
        """The runs whose handovers were deleted: all that are not running. This run's own stay until the next run, so
        that a cleared task finds them."""
        ti = context["ti"]

        def running(run_id: str) -> bool:
            count: int = ti.get_dr_count(dag_id=context["dag"].dag_id, run_ids=[run_id], states=["running"])
            return count > 0

        return delete_handovers(s3_client(settings), settings.bucket, keep=running)

    @task(task_id="unreadable_files")
    def find_unreadable_files() -> dict[str, list[str]]:
        """Landing table -> its files that Athena cannot read."""
        return unreadable_files(settings)

    def job(table: str) -> GlueJobOperator:
        return glue_job(
            settings,
            table,
            f"Writes {settings.database}.{table}",
            {
                "--landing": f"s3://{settings.bucket}",
                "--consent_policy": "{{ params.consent_policy }}",
                "--max_rejected": "{{ params.max_rejected }}",
                "--base": BASE,
            },
        )

    def check(file: str, sensor: type[AthenaQualitySensor] = AthenaQualitySensor, **arguments: Any) -> Any:
        sql = (SQL / file).read_text()
        return sensor(
            task_id=Path(file).stem,
            doc_md=" ".join(re.findall("^-- (.*)$", sql, re.MULTILINE)),
            query=file,
            database=settings.database,
            workgroup=settings.athena_workgroup,
            output_location=settings.athena_output,
            bucket_owner=settings.account,
            poll_seconds=settings.poll_seconds,
            timeout=600,
            **arguments,
        )

    wait_for_turn = TurnSensor(
        task_id="wait_for_turn",
        turns={
            "stedi_lakehouse": ("wait_for_turn", "published"),
            "stedi_maintenance": ("wait_for_lakehouse", "stedi_maintenance"),
        },
        max_active_tis_per_dag=1,
        poke_interval=settings.poll_seconds,
        timeout=12 * 3600,
        execution_timeout=timedelta(hours=13),
    )
    landing, code, tables = upload_landing("{{ params.landing }}"), upload_glue_code(settings), create_tables()
    jobs = {table: job(table) for table in JOBS}
    with TaskGroup("checks") as checks:
        for name in CHECKS:
            check(f"checks/{name}.sql", poke_interval=15)
    publish = glue_job(
        settings,
        "publish",
        f"Publishes what a run has staged in {settings.database}",
        {
            "--landing": f"s3://{settings.bucket}",
            "--base": BASE,
            "--audited": "{{ audited(ti) | tojson }}",
            "--consent_policy": "{{ params.consent_policy }}",
            "--code": "{{ code_hash(ti.xcom_pull('upload_code')) }}",
            "--parameters": "{{ params | tojson }}",
        },
    )
    published = check(
        "published.sql",
        PublishedSensor,
        poke_interval=settings.poll_seconds,
        outlets=[asset(table) for table in WRITTEN_TABLES],
    )
    publish_report = LakehouseReport(
        task_id="publish_report",
        settings=settings,
        checks=CHECKS,
        trigger_rule="all_done",
    )

    wait_for_turn >> [landing, code, tables, (handovers := delete_old_handovers())]
    [landing, code, tables >> base_snapshots(), handovers] >> jobs["customer_trusted"]
    jobs["customer_trusted"] >> jobs["accelerometer_trusted"]
    [jobs["customer_trusted"], jobs["accelerometer_trusted"]] >> jobs["customers_curated"]
    jobs["customers_curated"] >> jobs["step_trainer_trusted"]
    [jobs["step_trainer_trusted"], jobs["accelerometer_trusted"]] >> jobs["machine_learning_curated"]
    jobs["machine_learning_curated"] >> find_unreadable_files() >> checks >> publish >> publish_report
    # Last, so that no run that has asset events is red.
    [publish, publish_report] >> published
