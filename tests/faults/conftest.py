"""A lake whose every state is known, a local AWS that may be hurt, and the moments at which a job can be hurt.

Two deliveries are processed undisturbed, once. A table's content is where its catalog entry points, so each state in
between can be put back in no time: a fault meets a job with its sources as in the undisturbed run of the second
delivery, and its own tables as before.
"""

import contextlib
import io
import json
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from threading import Event, Lock, Thread

import pytest
from athena_client import Athena
from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.table import StaticTable, Table

from dev.settings import lakehouse_settings
from lakehouse.staging import DATA_PATH, OLD_DATA_PATH
from local_aws import service
from local_aws.glue.processes import processes
from local_aws.glue.store import ACTIVE
from local_aws.settings import ACCESS_KEY, REGION, LocalAws, free_port
from stedi.delivery import deliver
from stedi.glue_code import upload_code
from stedi.glue_job import conf_argument, spark_conf
from stedi.table_definitions import statements
from stedi.tables import (
    ICEBERG_TABLES,
    JOBS,
    LANDING_TABLES,
    SIDE_TABLES,
    SOURCES,
    TABLES,
    WRITTEN_TABLES,
    branch_name,
)

from .proxy import Proxy, Request

PROJECT = Path(__file__).resolve().parents[2]
BUCKET, DATABASE, ROLE = "stedi-faults", "stedi_faults", "stedi-glue"
#: Each job, and the tables that it replaces, in the order of their commits.
WRITES = {
    job: [
        *(["landing_quarantine"] if set(TABLES[job].inputs) & set(LANDING_TABLES) else []),
        *SIDE_TABLES[job],
        job,
        "job_figures",
        "job_audit",
    ]
    for job in JOBS
}
# All jobs in one Spark: their mains, one after the other, on both deliveries, each of which is published.
UNDISTURBED = f"""
import importlib, json, sys
from pyspark.sql import SparkSession
from lakehouse.staging import iceberg_table, staged
from lakehouse.tables import WRITTEN_TABLES

spark = SparkSession.builder.getOrCreate()

def snapshots(of):
    tables = {{table: iceberg_table(spark, f"glue_catalog.{DATABASE}.{{table}}") for table in WRITTEN_TABLES}}
    return json.dumps({{name: of(table) for name, table in tables.items()}})

def current(table):
    return table.currentSnapshot().snapshotId() if table.currentSnapshot() else None

arguments = sys.argv[1:]
for run in ("first", "second"):
    sys.argv[1:] = [*(argument.replace("second", run) for argument in arguments), "--base", snapshots(current)]
    for script in {list(WRITES)}:
        importlib.import_module(script).main()
        spark.catalog.clearCache()
    audited = snapshots(lambda table: staged(table, run).snapshot_id)
    sys.argv += ["--audited", audited, "--landing", "s3://{BUCKET}", "--code", "", "--parameters", ""]
    importlib.import_module("publish").main()
"""
#: A row is a tuple; a content is its table's rows, sorted.
Content = tuple[tuple, ...]
#: Where each table's catalog entry points.
State = dict[str, str]


@dataclass
class Lake:
    """The tables, the jobs behind the proxy, and what an undisturbed run makes of them."""

    aws: LocalAws
    proxy: Proxy
    #: The states before the first delivery, after each of its jobs, and before and after each job of the second, and
    #: before and after its publishing.
    empty: State = field(default_factory=dict)
    first: dict[str, State] = field(default_factory=dict)
    before: dict[str, State] = field(default_factory=dict)
    after: dict[str, State] = field(default_factory=dict)
    #: {table: its snapshot} when the second run began, and what it has staged.
    base: dict[str, int] = field(default_factory=dict)
    audited: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.glue = self.aws.client("glue")

    # --- the tables ---

    def state(self) -> State:
        tables = self.glue.get_tables(DatabaseName=DATABASE)["TableList"]
        return {table["Name"]: table["Parameters"]["metadata_location"] for table in tables}

    def put_back(self, state: State) -> None:
        for name, location in state.items():
            table = self.glue.get_table(DatabaseName=DATABASE, Name=name)["Table"]
            kept = ("Name", "Description", "StorageDescriptor", "TableType")
            definition = {key: table[key] for key in kept if key in table}
            definition["Parameters"] = table["Parameters"] | {"metadata_location": location}
            self.glue.update_table(DatabaseName=DATABASE, TableInput=definition)

    @cached_property
    def catalog(self) -> GlueCatalog:
        properties = {"endpoint": self.aws.endpoint, "region": REGION}
        properties |= dict.fromkeys(("access-key-id", "secret-access-key"), ACCESS_KEY)
        return GlueCatalog("local", **{f"{api}.{key}": properties[key] for api in ("glue", "s3") for key in properties})

    def content(self, table: str, state: State | None = None, *, run: str = "second") -> Content:
        """What the jobs of a run find in a table now, or found in a state: what it has staged, else the published."""
        found = self._table(table, state)
        return _rows(found, _staged(found, run))

    def published(self, table: str, snapshot_id: int | None = None) -> Content:
        """What readers find in a table, or in a snapshot of it."""
        return _rows(self._table(table), snapshot_id)

    def released(self) -> dict[str, Content]:
        """{table: what those find in it who read the last release}"""
        s3, rows = self.aws.client("s3"), []
        for item in s3.list_objects_v2(Bucket=BUCKET, Prefix="releases/")["Contents"]:
            rows += map(json.loads, s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read().splitlines())
        last = max(row["released_at"] for row in rows)
        found = {row["table_name"]: row["snapshot_id"] for row in rows if row["released_at"] == last}
        return {table: self.published(table, snapshot) for table, snapshot in found.items()}

    def _table(self, table: str, state: State | None = None) -> Table:
        if state:
            return StaticTable.from_metadata(state[table], self.catalog.properties)
        return self.catalog.load_table((DATABASE, table))

    # --- the jobs ---

    def define(self, job: str, script: str, packages: str) -> None:
        """A job as the DAG defines it, whose Spark reaches AWS through the proxy."""
        conf = spark_conf(replace(lakehouse_settings(), bucket=BUCKET)) | {
            "spark.sql.catalog.glue_catalog.s3.endpoint": self.proxy.endpoint,
            "spark.sql.catalog.glue_catalog.glue.endpoint": self.proxy.endpoint,
            "spark.hadoop.fs.s3a.endpoint": self.proxy.endpoint,
        }
        arguments = {
            "--datalake-formats": "iceberg",
            "--extra-py-files": packages,
            "--conf": conf_argument(conf),
            "--run_id": "second",
            "--database": DATABASE,
            "--landing": "s3://delivery-second",
            "--consent_policy": "customer",
            "--max_rejected": "1",
        }
        self.glue.create_job(
            Name=job,
            Role=f"arn:aws:iam::000000000000:role/{ROLE}",
            Command={"Name": "glueetl", "ScriptLocation": script},
            GlueVersion="5.1",
            WorkerType="G.1X",
            NumberOfWorkers=2,
            DefaultArguments=arguments,
        )

    def start(self, job: str, **arguments: str) -> str:
        given = {f"--{name}": value for name, value in ({"base": json.dumps(self.base)} | arguments).items()}
        return self.glue.start_job_run(JobName=job, Arguments=given)["JobRunId"]

    def wait(self, job: str, run_id: str) -> dict:
        """The run, once it ended."""
        deadline = time.monotonic() + 1200
        while True:
            # While the local AWS is down, there is nothing to know.
            with contextlib.suppress(Exception):
                run = self.glue.get_job_run(JobName=job, RunId=run_id)["JobRun"]
                if run["JobRunState"] not in ("STARTING", "RUNNING", "STOPPING"):
                    return run
            assert time.monotonic() < deadline, f"{job} does not end"
            time.sleep(0.1)

    def run(self, job: str, **arguments: str) -> dict:
        return self.wait(job, self.start(job, **arguments))

    def spark(self) -> list[int]:
        """The processes of Java of the runs under way."""
        runs = [run for job in (*WRITES, "publish") for run in self.glue.get_job_runs(JobName=job)["JobRuns"]]
        active = [process for run in runs if run["JobRunState"] in ACTIVE for process in processes(run["Id"])]
        return [process.pid for process in active if process.name() == "java"]


def _rows(table: Table, snapshot_id: int | None) -> Content:
    rows = table.scan(snapshot_id=snapshot_id).to_arrow().to_pylist()
    return tuple(sorted((tuple(row.values()) for row in rows), key=repr))


def _staged(table: Table, run: str) -> int | None:
    """The snapshot that a run has staged."""
    reference = table.refs().get(branch_name(run))
    snapshot = table.snapshot_by_id(reference.snapshot_id) if reference else None
    of_run = snapshot and snapshot.summary and snapshot.summary.additional_properties.get("run_id") == run
    return snapshot.snapshot_id if of_run else None


# --- the moments of a job, as the proxy sees them ---


@dataclass(frozen=True)
class Moment:
    """A request that tells how far a job is; ``after`` it was done, or before."""

    name: str
    table: str
    of: Callable[[Request], bool]
    after: bool = False

    def __str__(self) -> str:
        return f"{self.name} {self.table}".strip().replace(" ", "_")


def reading() -> Moment:
    def of(request: Request) -> bool:
        return request.method == "GET" and (request.path.startswith("/delivery-") or request.path.endswith(".parquet"))

    return Moment("reading", "", of)


def writing(table: str) -> Moment:
    def of(request: Request) -> bool:
        return request.method == "PUT" and f"/warehouse/{table}/data/" in request.path

    return Moment("writing", table, of)


def before_commit(table: str) -> Moment:
    return Moment("before the commit of", table, _commit(table))


def after_commit(table: str) -> Moment:
    return Moment("after the commit of", table, _commit(table), after=True)


def _commit(table: str) -> Callable[[Request], bool]:
    """The first commit after data was written: that of the branch comes before."""
    written = Event()

    def of(request: Request) -> bool:
        if writing(table).of(request):
            written.set()
        return request.table == table and written.is_set()

    return of


@contextlib.contextmanager
def at(lake: Lake, moment: Moment, act: Callable[[], int | None]) -> Iterator[Event]:
    """Does ``act`` at the first request of the moment, which then fails with the status that it gives."""
    came = Event()

    def fault(request: Request) -> int | None:
        if came.is_set() or not moment.of(request):
            return None
        came.set()
        return act()

    setattr(lake.proxy, "after" if moment.after else "before", fault)
    try:
        yield came
    finally:
        lake.proxy.recover()


# --- readers ---


class Readers:
    """Read a job's tables again and again, and note for each what they see: "old", "new", or the rows if neither."""

    def __init__(self, lake: Lake, job: str, *, outage: bool = False) -> None:
        self.lake = lake
        self.outage = outage
        states = {"old": lake.before[job], "new": lake.after[job]}
        self.contents = {
            table: {lake.content(table, state): name for name, state in states.items()} for table in WRITES[job]
        }
        assert all(len(contents) == 2 for contents in self.contents.values()), "old and new are the same"
        self.seen: dict[str, list[str | Content]] = {table: [] for table in WRITES[job]}
        self.failed: list[str] = []
        #: What readers of the tables see, which no job changes.
        self.published = {table: lake.published(table) for table in WRITES[job] if table in WRITTEN_TABLES}
        self._end = Event()
        self._one_at_a_time = Lock()

    def look(self) -> dict[str, str | Content]:
        """What is seen now."""
        with self._one_at_a_time:
            for table, seen in self.seen.items():
                content = self.lake.content(table)
                seen.append(self.contents[table].get(content, content))
            self.failed += [
                f"readers of {table} see something else"
                for table, content in self.published.items()
                if self.lake.published(table) != content
            ]
            return {table: seen[-1] for table, seen in self.seen.items()}

    def history(self, table: str) -> list[str | Content]:
        """What was seen, without what was seen just before already."""
        return [content for content, _ in groupby(self.seen[table])]

    def _read(self) -> None:
        # Files never change: a table is read again when its catalog entry points elsewhere, which is always asked.
        known = None
        while not self._end.wait(0.1):
            try:
                if (state := self.lake.state()) != known:
                    self.look()
                    known = state
            except Exception as error:
                # Without an answer there is nothing between old and new; but only an AWS that is down may give none.
                if not self.outage:
                    self.failed.append(repr(error))

    def __enter__(self) -> "Readers":
        self.look()
        self.thread = Thread(target=self._read, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self.thread.join()
        self.look()


# --- the lake ---


@pytest.fixture(scope="session")
def aws(tmp_path_factory) -> Iterator[LocalAws]:
    """A local AWS of these tests' own: they kill it."""
    local_aws = LocalAws(free_port(), tmp_path_factory.mktemp("faults"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(local_aws.state)]
    mounted = shutil.which("mount") and subprocess.run(mount, capture_output=True).returncode == 0
    service.start(local_aws, bucket=BUCKET, role=ROLE)
    yield local_aws
    service.stop(local_aws)
    if mounted:
        subprocess.run(["umount", local_aws.state], check=True)


class Disk:
    """The small disk that holds all of the local AWS."""

    def __init__(self, path: Path) -> None:
        self._ballast = path / "ballast"

    def fill(self) -> None:
        with self._ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 20))

    def empty(self) -> None:
        self._ballast.unlink(missing_ok=True)


@pytest.fixture
def disk(aws) -> Iterator[Disk]:
    if not aws.state.is_mount():
        pytest.skip("a disk of the local AWS's own needs the right to mount a tmpfs")
    disk = Disk(aws.state)
    yield disk
    disk.empty()


@pytest.fixture(scope="session")
def undisturbed(aws, tmp_path_factory) -> Lake:
    """The lake after both deliveries, with each of its states on the way."""
    lake, s3 = Lake(aws, Proxy(aws.port)), aws.client("s3")
    for delivery, customers in (("first", 5), ("second", 8)):
        source = tmp_path_factory.mktemp(delivery)
        command = [sys.executable, "-m", "dev.generate", "--out", source]
        command += ["--customers", customers, "--seed", customers, "--damage", "0.03"]
        subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
        # Each delivery fills the quarantine of each source differently.
        for folder in SOURCES:
            (source / folder / "broken.json").write_text(f"broken in the {delivery} delivery")
        s3.create_bucket(Bucket=f"delivery-{delivery}")
        deliver(s3, str(source), f"delivery-{delivery}")

    athena = Athena(aws, BUCKET, "default")
    athena.query(f"CREATE DATABASE {DATABASE}")
    iceberg = [TABLES[table] for table in ICEBERG_TABLES]
    for ddl in statements(iceberg, {}, replace(lakehouse_settings(), bucket=BUCKET, database=DATABASE)).values():
        athena.query(ddl)
    # As they are since the first write of a job, which takes a commit more.
    for table in map(lake.catalog.load_table, ((DATABASE, table) for table in ICEBERG_TABLES)):
        with table.transaction() as change:
            change.set_properties({DATA_PATH: table.properties[OLD_DATA_PATH]}).remove_properties(OLD_DATA_PATH)

    code = upload_code(s3, PROJECT / "glue_scripts", BUCKET)
    with io.BytesIO() as buffer:
        with zipfile.ZipFile(buffer, "w") as archive:
            for job in (*WRITES, "publish"):
                archive.write(PROJECT / "glue_scripts" / f"{job}.py", f"{job}.py")
        s3.put_object(Bucket=BUCKET, Key="code/scripts.zip", Body=buffer.getvalue())
    s3.put_object(Bucket=BUCKET, Key="code/undisturbed.py", Body=UNDISTURBED)
    for job in (*WRITES, "publish"):
        lake.define(job, code[job], code["lakehouse"])
    lake.define("customer_trusted_as_well", code["customer_trusted"], code["lakehouse"])
    lake.define(
        "undisturbed", f"s3://{BUCKET}/code/undisturbed.py", f"{code['lakehouse']},s3://{BUCKET}/code/scripts.zip"
    )

    commits = []
    lake.proxy.after = lambda request: commits.append(request) if request.table else None
    lake.empty = state = lake.state()
    run = lake.run("undisturbed")
    lake.proxy.recover()
    assert run["JobRunState"] == "SUCCEEDED", run
    # A staged table's branch is begun in a commit of its own.
    written = {job: [t for t in tables for _ in range(1 + (t in WRITTEN_TABLES))] for job, tables in WRITES.items()}
    written["publish"] = list(WRITTEN_TABLES)
    assert [commit.table for commit in commits] == 2 * [table for tables in written.values() for table in tables]
    for job, tables in 2 * list(written.items()):
        lake.before[job] = state
        for table in tables:
            state = state | {table: commits.pop(0).metadata_location}
        lake.first.setdefault(job, state)
        lake.after[job] = state
    for table in WRITTEN_TABLES:
        lake.base[table] = lake._table(table, lake.first["publish"]).current_snapshot().snapshot_id
        lake.audited[table] = lake._table(table, lake.after["publish"]).current_snapshot().snapshot_id
    return lake


@pytest.fixture
def lake(undisturbed) -> Iterator[Lake]:
    """The lake for one test, which puts back the state that it needs."""
    yield undisturbed
    undisturbed.proxy.recover()
