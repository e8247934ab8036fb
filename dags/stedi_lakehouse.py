"""The STEDI lakehouse, from delivered JSON to trusted tables. Read it top to bottom; the topology stands at the end.

What it needs from AWS: s3:GetObject, PutObject, DeleteObject and ListBucket on the bucket (and read on a landing source
elsewhere in S3), athena:StartQueryExecution, GetQueryExecution, GetQueryResults and StopQueryExecution on the
workgroup, glue:*Database, *Table*, *Job and *JobRun* on the database and the five jobs, iam:PassRole on the Glue role,
logs:FilterLogEvents on /aws-glue/jobs/*.
"""

from datetime import timedelta

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.operators.athena import AthenaOperator
from airflow.providers.amazon.aws.operators.glue import GlueJobOperator
from airflow.sdk import DAG, Asset, Param, TaskGroup, task
from athena_quality_sensor import AthenaQualitySensor
from glue_code import upload_code
from glue_job_failure import log_glue_reason
from lakehouse_settings import PROJECT, Settings
from landing_delivery import SOURCES, deliver

settings = Settings.from_environment()

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
TABLES = [*LANDING_TABLES, "landing_quarantine", "landing_repaired", *JOBS, "device_owners", "job_audit"]
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
]

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
        enum=["customer", "reading_time"],
        title="Consent policy",
        description="customer: a person who has agreed shares all their readings. "
        "reading_time: only the readings taken at or after the instant of consent.",
    ),
    "match_on": Param(
        "customer_and_time",
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
}

ICEBERG = {
    "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    "spark.sql.catalog.glue_catalog": "org.apache.iceberg.spark.SparkCatalog",
    "spark.sql.catalog.glue_catalog.catalog-impl": "org.apache.iceberg.aws.glue.GlueCatalog",
    "spark.sql.catalog.glue_catalog.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
    "spark.sql.catalog.glue_catalog.warehouse": f"s3://{settings.bucket}/warehouse",
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

Run it by hand with **Trigger**; the form explains the parameters. A table, its job, its script, its task and its SQL
file share one name. Running it again changes nothing unless the landing data changed.
""",
    schedule="@daily",
    catchup=False,
    max_active_runs=1,
    params=PARAMS,
    default_args={
        "retries": settings.retries,
        "retry_delay": timedelta(seconds=settings.retry_seconds),
        "execution_timeout": timedelta(minutes=10),
    },
    template_searchpath=[str(PROJECT / "include" / "sql")],
    user_defined_macros={"lake": {"bucket": settings.bucket, "database": settings.database, "jobs": JOBS}},
    tags=["stedi", "glue", "athena", "iceberg"],
) as dag:

    def asset(table: str) -> Asset:
        folder = table if table in LANDING_TABLES else f"warehouse/{table}"
        return Asset(name=table, uri=f"s3://{settings.bucket}/{folder}")

    @task(outlets=[asset(table) for table in LANDING_TABLES])
    def upload_landing(params: dict) -> dict[str, dict[str, int]]:
        """Landing table -> files in the source, and files sent because they were new or changed."""
        return deliver(S3Hook().get_conn(), params["landing"], settings.bucket)

    @task(task_id="upload_code")
    def upload_glue_code() -> dict[str, str]:
        """Script or package -> its location."""
        return upload_code(S3Hook().get_conn(), PROJECT / "glue_scripts", settings.bucket)

    def athena(task_id: str, sql_file: str) -> AthenaOperator:
        return AthenaOperator(
            task_id=task_id,
            query=sql_file,
            workgroup=settings.athena_workgroup,
            output_location=settings.athena_output,
            sleep_time=settings.poll_seconds,
        )

    def glue_job(table: str) -> GlueJobOperator:
        return GlueJobOperator(
            task_id=table,
            job_name=table,
            job_desc=f"Fills {settings.database}.{table}",
            script_location=f"{{{{ ti.xcom_pull('upload_code')['{table}'] }}}}",
            script_args={
                "--run_id": "{{ run_id }}",
                "--database": settings.database,
                "--landing": f"s3://{settings.bucket}",
                "--consent_policy": "{{ params.consent_policy }}",
                "--match_on": "{{ params.match_on }}",
                "--max_refused": "{{ params.max_refused }}",
            },
            iam_role_arn=settings.glue_role_arn,
            create_job_kwargs={
                "GlueVersion": "5.1",
                "WorkerType": settings.worker_type,
                "NumberOfWorkers": settings.number_of_workers,
                "Timeout": 60,  # minutes
                "DefaultArguments": {
                    "--datalake-formats": "iceberg",
                    "--extra-py-files": "{{ ti.xcom_pull('upload_code')['lakehouse'] }}",
                    # Glue takes several settings as one argument.
                    "--conf": " --conf ".join(f"{name}={value}" for name, value in ICEBERG.items()),
                },
            },
            update_config=True,
            retry_limit=0,  # retries are Airflow's
            stop_job_run_on_kill=True,
            verbose=True,
            job_poll_interval=settings.poll_seconds,
            # Longer than Glue's own time-out: Glue ends a slow job, this ends a wait for a state that never comes.
            execution_timeout=timedelta(minutes=70),
            on_failure_callback=log_glue_reason,
            on_retry_callback=log_glue_reason,
            outlets=[asset(output) for output in [table, *BESIDE.get(table, [])]],
        )

    def quality_check(check: str) -> AthenaQualitySensor:
        return AthenaQualitySensor(
            task_id=check,
            query=f"checks/{check}.sql",
            database=settings.database,
            workgroup=settings.athena_workgroup,
            output_location=settings.athena_output,
            poll_seconds=settings.poll_seconds,
            poke_interval=15,
            timeout=600,
        )

    landing, code = upload_landing(), upload_glue_code()
    create_database = athena("create_database", "database.sql")
    with TaskGroup("create_tables") as create_tables:
        for table in TABLES:
            athena(table, f"tables/{table}.sql")
    jobs = {table: glue_job(table) for table in JOBS}
    with TaskGroup("checks") as checks:
        for check in CHECKS:
            quality_check(check)

    create_database >> create_tables
    [landing, code, create_tables] >> jobs["customer_trusted"]
    jobs["customer_trusted"] >> jobs["accelerometer_trusted"]
    [jobs["customer_trusted"], jobs["accelerometer_trusted"]] >> jobs["customers_curated"]
    jobs["customers_curated"] >> jobs["step_trainer_trusted"]
    [jobs["step_trainer_trusted"], jobs["accelerometer_trusted"]] >> jobs["machine_learning_curated"]
    jobs["machine_learning_curated"] >> checks
