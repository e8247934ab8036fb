"""A mistake in the rule of consent: whoever reads the tables sees no row of the run, by whatever engine."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from local_aws.athena import engine
from local_aws.athena.catalog import Catalog
from local_aws.glue import spark
from local_aws.glue.jars import jars
from local_aws.settings import ACCESS_KEY, REGION, free_port
from stedi.tables import WRITTEN_TABLES

from .conftest import SETTINGS, Lake, copy_project

pytestmark = pytest.mark.exhaustive

#: Reads while the run is at work and after it.
READS = {"athena": 100, "spark": 10, "duckdb": 10}
DATABASE = SETTINGS.database
# Reads whenever it is told to, so that its start is over when the run begins.
READ_BY_SPARK = """
import json, sys
from pyspark.sql import SparkSession

spark = SparkSession.builder.config(map=json.loads(sys.argv[1])).getOrCreate()
for sql in sys.stdin:
    print("read " + json.dumps([tuple(row) for row in spark.sql(sql).collect()]), flush=True)
"""


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """A lake with a release, and a checkout of its own."""
    project = copy_project(tmp_path_factory.mktemp("project"))
    lake = Lake(tmp_path_factory.mktemp("lake"), free_port(), project)
    lake.run(project / "include" / "sample")
    yield lake
    lake.command("stop")


def question(schema=""):
    """How many rows each table has, and who is in customer_trusted."""
    counts = [f"select '{table}', count(*) from {schema}{table}" for table in WRITTEN_TABLES]
    return " union all ".join([*counts, f"select lower(trim(email)), 1 from {schema}customer_trusted"])


def of_athena(lake):
    return lambda: lake.query(question())


def of_duckdb(lake):
    connection = engine.connect()
    host = lake.aws.endpoint.removeprefix("http://")
    connection.execute(
        f"create secret (type s3, key_id '{ACCESS_KEY}', secret '{ACCESS_KEY}', region '{REGION}', endpoint '{host}', "
        "url_style 'path', use_ssl false)"
    )

    def read():
        for table in WRITTEN_TABLES:
            location = Catalog(lake.aws).iceberg.load_table((DATABASE, table)).metadata_location
            connection.execute(f"create or replace temp view {table} as select * from iceberg_scan('{location}')")
        return connection.execute(question()).fetchall()

    return read


@pytest.fixture
def of_spark(lake, tmp_path):
    catalog = "spark.sql.catalog.glue_catalog"
    conf = {
        catalog: "org.apache.iceberg.spark.SparkCatalog",
        f"{catalog}.catalog-impl": "org.apache.iceberg.aws.glue.GlueCatalog",
        f"{catalog}.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        f"{catalog}.warehouse": f"s3://{SETTINGS.bucket}/warehouse",
        f"{catalog}.cache-enabled": "false",
    }
    conf |= spark.settings(lake.aws, conf) | {"spark.jars": ",".join(map(str, jars()))}
    reader = subprocess.Popen(
        [sys.executable, "-c", READ_BY_SPARK, json.dumps(conf)],
        env=spark.environment(lake.aws, tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=(tmp_path / "stderr").open("w"),
        text=True,
    )

    def read():
        reader.stdin.write(question(f"glue_catalog.{DATABASE}.") + "\n")
        reader.stdin.flush()
        answer = next(line for line in reader.stdout if line.startswith("read "))
        return json.loads(answer.removeprefix("read "))

    yield read
    reader.stdin.close()
    reader.wait()


def test_nobody_sees_a_row_of_a_run_whose_rule_of_consent_is_wrong(lake, of_spark):
    readers = {"athena": of_athena(lake), "spark": of_spark, "duckdb": of_duckdb(lake)}

    def content(name):
        return tuple(sorted((what, int(number)) for what, number in readers[name]()))

    released = content("athena")
    assert {name: content(name) for name in readers} == dict.fromkeys(readers, released)
    people = lake.project / "glue_scripts" / "lakehouse" / "people.py"
    wrong = people.read_text().replace("desc_nulls_last", "asc_nulls_last")
    assert wrong != people.read_text()
    people.write_text(wrong)

    during, ended = {name: [] for name in READS}, Event()

    def read(name):
        while not ended.is_set():
            during[name].append(content(name))
            time.sleep(0.1)

    with ThreadPoolExecutor(len(READS)) as pool:
        reading = [pool.submit(read, name) for name in READS]
        exit_code, output = lake.command("run", "--landing", str(lake.project / "include" / "sample"), "--keep")
        ended.set()
        for one in reading:
            one.result()

    assert exit_code == 1
    assert "checks.consent failed: consent: 203 violations" in output
    after = {name: [content(name) for _ in range(max(1, READS[name] - len(during[name])))] for name in READS}
    for name in READS:
        assert len(during[name]) >= 3, name
        assert {*during[name], *after[name]} == {released}, name
