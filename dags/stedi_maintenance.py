"""The maintenance of the STEDI lakehouse: what its tables held before leaves their files.

infra/stedi.yaml has the permissions that it needs on AWS.
"""

from airflow.sdk import DAG, Param, task

from stedi.glue_job import glue_job, upload_glue_code
from stedi.handover import delete_handovers as delete_all_but
from stedi.no_running_dag_sensor import NoRunningDagSensor
from stedi.s3 import s3_client
from stedi.settings import Settings
from stedi.tables import ICEBERG_TABLES

settings = Settings.from_environment()

YEAR = 8760  # hours

PARAMS = {
    "snapshot_hours": Param(
        24,
        type="integer",
        minimum=0,
        maximum=YEAR,
        title="Hours to keep snapshots",
        description="The content of a table can be read for this long after it was replaced. The next maintenance "
        "after that deletes it, unless it is one of the releases to keep. 0 carries out a withdrawal at once: a query "
        "or job that is reading a replaced content may then fail, since its files go.",
    ),
    "keep_releases": Param(
        2,
        type="integer",
        minimum=1,
        maximum=1000,
        title="Releases to keep",
        description="So many releases can still be read, the last one among them, however old they are. With 0 hours "
        "to keep snapshots, the last one only.",
    ),
    "orphan_hours": Param(
        24,
        type="integer",
        minimum=0,
        maximum=YEAR,
        title="Hours to keep files of no snapshot",
        description="Files that a failed job left behind are deleted when they are older than this. So are those that "
        "a job is writing: keep it longer than the longest job. Below that, and at 0, which leaves nothing behind, "
        "nothing else may write to the tables until this has ended, or a table is left without files that it lists.",
    ),
}

with DAG(
    dag_id="stedi_maintenance",
    description="What the tables held before leaves their files: expired snapshots, orphan files, small files",
    doc_md="""
### STEDI maintenance

A run of `stedi_lakehouse` replaces the tables' content; what they held before, also of people who withdrew, stays in
their files for snapshots to be read. This deletes it, with one Glue job over all Iceberg tables:

| step | what it does |
|---|---|
| delete handovers | deletes what the jobs of earlier runs left for each other |
| compact | makes few large files of many small ones, of data and of manifests, and releases them under the same run |
| drop old releases | all but the last `keep_releases`, and what runs have staged more than `snapshot_hours` ago |
| expire snapshots | deletes snapshots that were replaced more than `snapshot_hours` ago, and their files |
| remove orphan files | deletes what failed jobs left behind, where it is older than `orphan_hours` |

To carry out a withdrawal at once, let `stedi_lakehouse` run on the record that withdraws, and **Trigger** this with
both parameters 0, while nothing else reads or writes the tables. It waits until no run of `stedi_lakehouse` is running.
""",
    # Away from midnight, when stedi_lakehouse starts.
    schedule="0 12 * * SUN",
    catchup=False,
    max_active_runs=1,
    params=PARAMS,
    default_args=settings.task_defaults,
    tags=["stedi", "glue", "iceberg"],
) as dag:
    # Of two writers to one table, one has to start again.
    wait = NoRunningDagSensor(
        task_id="wait_for_lakehouse",
        other_dag_id="stedi_lakehouse",
        mode="reschedule",
        poke_interval=60,
        timeout=6 * 3600,
    )

    @task
    def delete_handovers() -> list[str]:
        """The runs whose handovers were deleted: all of them, since none is running."""
        return delete_all_but(s3_client(settings), settings.bucket, keep=lambda run_id: False)

    code = upload_glue_code(settings)
    maintenance = glue_job(
        settings,
        "stedi_maintenance",
        f"Maintains the Iceberg tables of {settings.database}",
        {
            "--tables": ",".join(ICEBERG_TABLES),
            "--landing": f"s3://{settings.bucket}",
            "--keep_releases": "{{ params.keep_releases }}",
            "--snapshot_hours": "{{ params.snapshot_hours }}",
            "--orphan_hours": "{{ params.orphan_hours }}",
        },
    )

    wait >> [code, delete_handovers()] >> maintenance
