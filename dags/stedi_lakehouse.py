"""The STEDI lakehouse, from delivered JSON to trusted tables. Read it top to bottom; the topology stands at the end.

What it needs from AWS: s3:GetObject, PutObject, DeleteObject and ListBucket on the bucket (and read on a landing source
elsewhere in S3), athena:StartQueryExecution, GetQueryExecution, BatchGetQueryExecution, GetQueryResults and
StopQueryExecution on the workgroup, glue:*Database, *Table*, *Job and *JobRun* on the database and the five jobs,
iam:PassRole on the Glue role, logs:FilterLogEvents on /aws-glue/jobs/*.
"""

import re

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.operators.athena import AthenaOperator
from airflow.providers.amazon.aws.operators.glue import GlueJobOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, Param, TaskGroup, task

from stedi.delivery import deliver
from stedi.glue_job import glue_job, upload_glue_code
from stedi.quality_sensor import AthenaQualitySensor
from stedi.report.operator import LakehouseReport
from stedi.settings import PROJECT, Settings
from stedi.tables import BESIDE, FILLED, JOBS, LANDING_TABLES, TABLES

settings = Settings.from_environment()

CHECKS = [
    "consent",
    "unique_keys",
    "cardinality_accelerometer_trusted",
    "cardinality_customers_curated",
    "cardinality_step_trainer_trusted",
    "cardinality_machine_learning_curated",
    "device_owners",
    "one_person_a_row",
    "audit_sums",
    "history",
]

REPORT_QUERIES = ["audit", "checks", "sizes", "consent", "coverage", "customer_trusted"]

PARAMS = {
    "landing": Param(
        settings.landing,
        type="string",
        minLength=1,
        title="Landing source",
        description="What to deliver: a directory on the worker, or an s3:// prefix, with the folders customer/, "
        "accelerometer/ and step_trainer/.",
    ),
    "consent_policy": Param(
        "customer",
        type="string",
        enum=["customer", "reading_time"],
        title="Consent policy",
        description="customer: a person who has agreed shares all their readings. "
        "reading_time: only the readings taken at or after the instant of consent.",
    ),
    "match_on": Param(
        "customer_and_time",
        type="string",
        enum=["customer_and_time", "time"],
        title="Match on",
        description="customer_and_time: a step reading meets its own person's accelerometer readings. "
        "time: the instant alone, which pairs different people; for comparison with published results only.",
    ),
    "max_refused": Param(
        0.05,
        type="number",
        minimum=0,
        maximum=1,
        title="Most refused records",
        description="The share of a landing table's records that may be refused, from 0 to 1. Above it the job stops "
        "before its table changes; landing_quarantine says which records, and why.",
    ),
    "max_lost": Param(
        0.2,
        type="number",
        minimum=0,
        maximum=1,
        title="Most rows lost",
        description="The share of its rows that a table may lose against the last green run under the same policies, "
        "from 0 to 1. Losing more is a violation; a run with 1 here accepts the loss.",
    ),
}

with DAG(
    dag_id="stedi_lakehouse",
    description="Raw JSON deliveries become trusted tables for data scientists, with consent as an invariant",
    doc_md="""
### STEDI lakehouse

Delivers customer records, accelerometer readings and step readings to the landing zone, builds the five trusted and
curated tables with one Glue job each, and checks them in Athena.

| step | what it does |
|---|---|
| `upload_landing`, `upload_code` | sends what S3 does not have yet |
| `create_database`, `create_tables` | Athena DDL, one statement a table, `include/sql/tables/` |
| five Glue jobs | each replaces its table in one Iceberg commit that carries the run id |
| `checks` | one SQL file each, `include/sql/checks/`; a violation fails the run at once, without retries |
| `publish_report` | what the run did, for people: `reports/<run id>/index.html` in the bucket, of a failed run too |

Run it by hand with **Trigger**; the form explains the parameters. A table, its job, its script, its task and its SQL
file share one name. Running it again changes nothing unless the landing data changed.
""",
    schedule=settings.schedule,
    catchup=False,
    max_active_runs=1,
    params=PARAMS,
    default_args=settings.task_defaults,
    template_searchpath=[str(PROJECT / "include" / "sql")],
    user_defined_macros={
        "lake": {
            "bucket": settings.bucket,
            "database": settings.database,
            "landing": LANDING_TABLES,
            "jobs": JOBS,
            "filled": FILLED,
        }
    },
    tags=["stedi", "glue", "athena", "iceberg"],
) as dag:

    def asset(table: str) -> Asset:
        folder = table if table in LANDING_TABLES else f"warehouse/{table}"
        return Asset(name=table, uri=f"s3://{settings.bucket}/{folder}")

    @task(outlets=[asset(table) for table in LANDING_TABLES])
    def upload_landing(params: dict) -> dict[str, dict[str, int]]:
        """Landing table -> files in the source, and files sent because they were new or changed."""
        return deliver(S3Hook().get_conn(), params["landing"], settings.bucket)

    def athena(task_id: str, sql_file: str) -> AthenaOperator:
        return AthenaOperator(
            task_id=task_id,
            query=sql_file,
            workgroup=settings.athena_workgroup,
            output_location=settings.athena_output,
            sleep_time=settings.poll_seconds,
        )

    def fill(table: str) -> GlueJobOperator:
        return glue_job(
            settings,
            table,
            f"Fills {settings.database}.{table}",
            {
                "--landing": f"s3://{settings.bucket}",
                "--consent_policy": "{{ params.consent_policy }}",
                "--match_on": "{{ params.match_on }}",
                "--max_refused": "{{ params.max_refused }}",
            },
            outlets=[asset(output) for output in [table, *BESIDE.get(table, [])]],
        )

    def quality_check(check: str) -> AthenaQualitySensor:
        sql = (PROJECT / "include" / "sql" / "checks" / f"{check}.sql").read_text()
        return AthenaQualitySensor(
            task_id=check,
            doc_md=" ".join(re.findall("^-- (.*)$", sql, re.MULTILINE)),
            query=f"checks/{check}.sql",
            database=settings.database,
            workgroup=settings.athena_workgroup,
            output_location=settings.athena_output,
            poll_seconds=settings.poll_seconds,
            poke_interval=15,
            timeout=600,
        )

    landing, code = upload_landing(), upload_glue_code(settings.bucket)
    create_database = athena("create_database", "database.sql")
    with TaskGroup("create_tables") as create_tables:
        for table in TABLES:
            athena(table, f"tables/{table}.sql")
    jobs = {table: fill(table) for table in JOBS}
    with TaskGroup("checks") as checks:
        for check in CHECKS:
            quality_check(check)
    publish_report = LakehouseReport(
        task_id="publish_report",
        settings=settings,
        jobs=JOBS,
        checks=CHECKS,
        queries={name: f"report/{name}.sql" for name in REPORT_QUERIES},
        trigger_rule="all_done",
    )
    # The report succeeds whatever it reports; the run does not.
    all_checks_passed = EmptyOperator(task_id="all_checks_passed")

    create_database >> create_tables
    [landing, code, create_tables] >> jobs["customer_trusted"]
    jobs["customer_trusted"] >> jobs["accelerometer_trusted"]
    [jobs["customer_trusted"], jobs["accelerometer_trusted"]] >> jobs["customers_curated"]
    jobs["customers_curated"] >> jobs["step_trainer_trusted"]
    [jobs["step_trainer_trusted"], jobs["accelerometer_trusted"]] >> jobs["machine_learning_curated"]
    jobs["machine_learning_curated"] >> checks >> [publish_report, all_checks_passed]
