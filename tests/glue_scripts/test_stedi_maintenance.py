"""The maintenance's Glue job on tables with a history: what it deletes, what it keeps, and what it leaves as it is."""

import io

import pyarrow.parquet
import pytest

import stedi_maintenance
import warehouse
from local_aws.resources import ensure_bucket_and_role
from stedi.glue_code import upload_code
from stedi.settings import PROJECT
from tests.local_aws.glue_jobs import BUCKET, ICEBERG_CONF, ROLE, Jobs

LAKE = "lake/maintenance.db"

# In each table, Zoe and her phone have been, and are not there any more.
SCRIPT = f"""
import sys
import time
import stedi_maintenance
from pyspark.sql import SparkSession
from pyspark.sql.functions import col, lit

sys.argv += ["--run_id", "r", "--database", "maintenance"]
spark = SparkSession.builder.getOrCreate()
spark.sql("CREATE DATABASE glue_catalog.maintenance LOCATION 's3://{BUCKET}/{LAKE}'")

def table(name, by="", data_path="write.data.path"):
    # As Athena creates tables, and the jobs then write them.
    properties = f"'write.object-storage.enabled' = 'true', '{{data_path}}' = 's3://{BUCKET}/{LAKE}/{{name}}/data'"
    columns = "(email string, phone string) USING iceberg"
    spark.sql(f"CREATE TABLE glue_catalog.maintenance.{{name}} {{columns}} {{by}} TBLPROPERTIES ({{properties}})")
    return f"glue_catalog.maintenance.{{name}}"

def rows(*names):
    people = [(f"{{name}}@example.com", f"+1-555-{{name}}") for name in names]
    return spark.createDataFrame(people, "email string, phone string").coalesce(1)

def content(name):
    return sorted(map(tuple, spark.table(f"glue_catalog.maintenance.{{name}}").collect()))

small = table("small")
rows("zoe", "ann").writeTo(small).append()
rows("ann").writeTo(small).overwrite(lit(True))
for name in ("bob", "cid", "dee", "eve", "fay"):
    rows(name).writeTo(small).append()

partly = table("partly", "PARTITIONED BY (email)")
rows("ann", "zoe").writeTo(partly).append()
rows().writeTo(partly).overwrite(col("email") == "zoe@example.com")

emptied = table("emptied")
rows("zoe").writeTo(emptied).append()
rows().writeTo(emptied).overwrite(lit(True))

table("never_written", data_path="write.object-storage.path")
TABLES = ("small", "partly", "emptied", "never_written")
before = {{name: content(name) for name in TABLES}}

for tables, hours in (("small", "24"), (",".join([*TABLES, "missing"]), "0")):
    sys.argv += ["--landing", "s3://{BUCKET}/lake", "--keep_releases", "1"]
    sys.argv += ["--tables", tables, "--snapshot_hours", hours, "--orphan_hours", hours]
    stedi_maintenance.main()

read = table("read")
for name in ("ann", "bob", "cid"):
    rows(name).writeTo(read).append()
since = time.time()
time.sleep(1)
rows("dee").writeTo(read).append()
print("expired", stedi_maintenance.expire_snapshots(spark, "maintenance.read", (time.time() - since) / 3600)[0])
print("same" if before == {{name: content(name) for name in TABLES}} else "changed")
"""


@pytest.fixture(scope="module")
def maintained(aws):
    """The log of a maintenance that deletes nothing yet, of one that deletes all it can, and of what came of both."""
    ensure_bucket_and_role(aws, BUCKET, ROLE)
    jobs = Jobs(aws)
    code = upload_code(jobs.s3, PROJECT / "glue_scripts", BUCKET)
    jobs.s3.put_object(Bucket=BUCKET, Key=f"{LAKE}/small/data/0101/left_behind.parquet", Body=b"zoe@example.com")
    arguments = {
        "--datalake-formats": "iceberg",
        "--conf": ICEBERG_CONF,
        "--extra-py-files": f"{code['lakehouse']},{code['stedi_maintenance']}",
    }
    jobs.create("maintains", SCRIPT, DefaultArguments=arguments)
    run = jobs.wait("maintains", jobs.start("maintains"), seconds=300)
    assert run["JobRunState"] == "SUCCEEDED", jobs.log(run, "error")
    return jobs.log(run)


def files(s3, folder):
    return [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{LAKE}/{folder}/").get("Contents", [])]


def test_what_is_younger_than_the_hours_stays(maintained):
    assert maintained[0] == (
        "small: 6 files compacted, 0 branches and tags dropped, 0 snapshots expired, 0 files deleted, 0 orphans deleted"
    )


def test_a_snapshot_that_was_the_table_s_content_within_the_hours_stays_however_old_it_is(maintained):
    assert maintained[-2] == "expired 2"  # of four: the third was current until the fourth came, within these hours


def test_all_snapshots_but_the_last_go_with_their_files_and_so_do_orphans(maintained):
    # Nine commits so far: an append, an overwrite, five appends, and the two of the first maintenance.
    assert maintained[2].startswith("small: 0 files compacted, 0 branches and tags dropped, 8 snapshots expired, ")
    assert maintained[2].endswith(", 1 orphans deleted")
    assert maintained[1] == "missing: does not exist"
    assert maintained[5] == (
        "never_written: 0 files compacted, 0 branches and tags dropped, 0 snapshots expired, 0 files deleted, "
        "0 orphans deleted"
    )


def test_the_rows_stay_as_they_are(maintained):
    assert maintained[-1] == "same"


def test_the_compacted_file_is_compressed_as_the_table_s_files_are(maintained, aws):
    (file,) = files(aws.client("s3"), "small/data")
    body = aws.client("s3").get_object(Bucket=BUCKET, Key=file)["Body"].read()
    assert pyarrow.parquet.ParquetFile(io.BytesIO(body)).metadata.row_group(0).column(0).compression == "ZSTD"


def test_no_byte_is_left_of_what_was_removed(maintained, aws):
    found = warehouse.find(aws.client("s3"), BUCKET, f"{LAKE}/", ["zoe", "ann@example.com"])
    assert found["zoe"] == set()
    assert {key.removeprefix(f"{LAKE}/").split("/")[0] for key in found["ann@example.com"]} == {
        "small",
        "partly",
        "read",
    }
    assert {key.rpartition(".")[2] for key in found["ann@example.com"]} == {"parquet", "avro"}


NEEDED = ["--database", "d", "--tables", "t", "--landing", "l", "--keep_releases", "1", "--snapshot_hours", "1"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "required: --orphan_hours"),
        (["--orphan_hours", "1", "--snapshot_hours", "-1"], "snapshot_hours is -1.0"),
        (["--orphan_hours", "1", "--snapshot_hours", "nan"], "snapshot_hours is nan"),
        (["--orphan_hours", "1", "--keep_releases", "0"], "keep_releases is 0; it must be 1 or more"),
    ],
)
def test_arguments_that_are_not_as_they_should_be_are_refused(more, message):
    with pytest.raises(ValueError, match=message):
        stedi_maintenance.parse(NEEDED + more)
