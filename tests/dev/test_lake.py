"""Emptying the lake, and dropping its tables."""

import pytest

from dev import lake
from dev.settings import lakehouse_settings
from tests.local_aws.glue_jobs import Jobs

SETTINGS = lakehouse_settings()
BUCKET, DATABASE = SETTINGS.bucket, SETTINGS.database


@pytest.fixture
def full(lake_aws):
    """Two databases with a table, landing files and others, and a Glue job with a run."""
    s3, glue = lake_aws.client("s3"), lake_aws.client("glue")
    glue.create_database(DatabaseInput={"Name": "other"})
    for name in (DATABASE, "other"):
        glue.create_table(DatabaseName=name, TableInput={"Name": "steps"})
    for key in ("customer_landing/1.json", "step_trainer_landing/a/2.json", "warehouse/steps/1.parquet", "code/x.py"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"{}")
    glue.create_job(
        Name="job",
        Role=SETTINGS.glue_role_arn,
        Command={"Name": "glueetl", "ScriptLocation": f"s3://{BUCKET}/no.py"},
        GlueVersion="5.1",
    )
    jobs = Jobs(lake_aws)
    jobs.wait("job", jobs.start("job"))
    yield lake_aws
    lake.reset()
    glue.delete_database(Name="other")


def keys(aws):
    return [item["Key"] for item in aws.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def tables(aws):
    """How many tables each database has."""
    glue = aws.client("glue")
    return {name: len(glue.get_tables(DatabaseName=name)["TableList"]) for name in (DATABASE, "other")}


def test_a_reset_leaves_an_empty_lake_and_touches_nothing_else(full):
    lake.reset()
    lake.reset()

    assert tables(full) == {DATABASE: 0, "other": 1}
    assert keys(full) == []
    assert full.client("glue").get_jobs()["Jobs"] == []
    assert list((full.state / "glue").glob("jr_*")) == []
    full.client("s3").head_bucket(Bucket=BUCKET)


def test_drop_tables_keeps_the_landing_zone_and_nothing_else_of_the_lake(full, command):
    dropped = command("drop-tables")

    assert dropped.returncode == 0, dropped.stderr
    assert tables(full) == {DATABASE: 0, "other": 1}
    assert keys(full) == ["customer_landing/1.json", "step_trainer_landing/a/2.json"]
    assert "`make run KEEP=1`" in dropped.stdout


@pytest.mark.exhaustive
def test_a_lake_of_many_objects_is_emptied(lake_aws):
    s3 = lake_aws.client("s3")
    for number in range(1100):
        s3.put_object(Bucket=BUCKET, Key=f"many/{number}", Body=b"")
    lake.reset()
    assert keys(lake_aws) == []
