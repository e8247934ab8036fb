"""A lake without jobs: the reference says what a run leaves of a delivery, and the checks judge it in Athena."""

import json
import uuid
from dataclasses import replace
from types import SimpleNamespace

import jinja2
import pyarrow as pa
import pytest
from athena_client import Athena

from dev.settings import lakehouse_settings
from local_aws.athena.catalog import Catalog
from stedi.settings import PROJECT
from stedi.table_definitions import statements
from stedi.tables import JOBS, LANDING_TABLES, SOURCES, TABLES, UNREADABLE, WRITTEN_TABLES
from tests.reference.lakehouse_reference import COLUMNS, lakehouse

SQL = jinja2.Environment(loader=jinja2.FileSystemLoader(PROJECT / "include" / "sql"), undefined=jinja2.StrictUndefined)
#: The checks of one run; history compares runs.
CHECKS = sorted({path.stem for path in (PROJECT / "include" / "sql" / "checks").glob("*.sql")} - {"history"})
RUN = "run"


class Lake:
    """A bucket and a database of its own with all tables."""

    def __init__(self, aws):
        self.aws = aws
        self.s3 = aws.client("s3")
        self.bucket = f"checks-{uuid.uuid4()}"
        self.s3.create_bucket(Bucket=self.bucket)
        settings = replace(lakehouse_settings(), bucket=self.bucket, database=f"checks_{uuid.uuid4().hex[:8]}")
        self.database = settings.database
        self.athena = Athena(aws, self.bucket, "default")
        self.athena.query(f"CREATE DATABASE {self.database}")
        for execution in [self.athena.start(ddl) for ddl in statements(TABLES.values(), {}, settings).values()]:
            self.athena.wait(execution)
        self.catalog = Catalog(aws).iceberg
        self.policy = "customer"
        self.unreadable = {}

    def deliver(self, directory):
        """The landing zone has the files of the delivery and no others."""
        self._delete(*(f"{table}/" for table in (*LANDING_TABLES, "landing_repaired")))
        for source, table in SOURCES.items():
            for path in sorted((directory / source).rglob("*")):
                if path.is_file():
                    key = f"{table}/{path.relative_to(directory / source).as_posix()}"
                    self.s3.put_object(Bucket=self.bucket, Key=key, Body=path.read_bytes())

    def ran(self, directory, policy="customer", read_from=None):
        """The tables are what the reference makes of the delivery; ``read_from``: of this one in its place."""
        self.policy = policy
        run = lakehouse(read_from or directory, policy)
        self.deliver(directory)
        self.unreadable = {}
        for table, landing in run.landing.items():
            reasons = {}
            for record in landing.records:
                reasons.setdefault(record.file, set()).add(record.reason or record.repaired or None)
            odd = {file for file, found in reasons.items() if found != {None}}
            if unreadable := [file for file, found in sorted(reasons.items()) if found & set(UNREADABLE)]:
                self.unreadable[table] = [f"s3://{self.bucket}/{table}/{file}" for file in unreadable]
            keys = {field.name: field.key for field in TABLES[table].columns}
            lines = [
                json.dumps({"file": record.file, **{keys[name]: value for name, value in record.values.items()}})
                for record in landing.used
                if record.file in odd
            ]
            if lines:
                key, body = f"landing_repaired/{table}/part", "\n".join(lines)
                self.s3.put_object(Bucket=self.bucket, Key=key, Body=body.encode())
        self.rows = run.tables
        for table in COLUMNS:
            self.put(table, run.tables[table])

    def put(self, table, rows):
        """Replaces the rows of a table, with a snapshot that carries the run's id."""
        iceberg = self.catalog.load_table((self.database, table))
        columns = COLUMNS[table]
        records = [dict(zip(columns, row, strict=True)) | {"run_id": RUN} for row in rows.elements()]
        names = [field.name for field in iceberg.schema().fields]
        content = [{name: record[name] for name in names} for record in records]
        arrow = pa.Table.from_pylist(content, schema=iceberg.schema().as_arrow())
        iceberg.overwrite(arrow, snapshot_properties={"run_id": RUN})

    def sql(self, check):
        """The check as the task sends it to Athena, but for the snapshots: these tables have one each."""
        ti = SimpleNamespace(xcom_pull=lambda task_ids: self.unreadable)
        lake = {"bucket": self.bucket, "database": self.database, "tables": TABLES, "landing": LANDING_TABLES}
        lake |= {"jobs": JOBS, "written": WRITTEN_TABLES, "staged": lambda table: f"{self.database}.{table}"}
        template = SQL.get_template(f"checks/{check}.sql")
        return template.render(lake=lake, run_id=RUN, params={"consent_policy": self.policy}, ti=ti)

    def check(self, name):
        """The row that a check returns, by column."""
        execution = self.athena.start(self.sql(name))
        self.athena.wait(execution)
        header, row = self.athena.results(execution)
        return dict(zip(header, row, strict=True))

    def violations(self, *names):
        """{check: how many} of those that find some, of all checks or those that are named."""
        found = {name: self.check(name) for name in names or CHECKS}
        assert {row["ready"] for row in found.values()} == {"true"}
        return {name: int(row["violations"]) for name, row in found.items() if row["violations"] != "0"}

    def _delete(self, *prefixes):
        for prefix in prefixes:
            for item in self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", []):
                self.s3.delete_object(Bucket=self.bucket, Key=item["Key"])


@pytest.fixture(scope="session")
def judged_lake(aws):
    return Lake(aws)
