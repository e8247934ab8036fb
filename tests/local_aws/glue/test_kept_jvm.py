"""The JVM that a run leaves for the next: who gets it, what is left in it, and when it ends."""

import asyncio
import io
import json
import os
import signal
import time
import zipfile
from collections.abc import Iterator

import psutil
import pytest

from local_aws import service
from local_aws.glue import jvms, spark
from local_aws.glue.jvm import JvmSettings, Script
from local_aws.glue.processes import lives, processes
from local_aws.settings import LocalAws, free_port
from tests.local_aws.glue_jobs import BUCKET, ROLE, Jobs, processes_with

#: Most take a Java that begins cold.
LONG = pytest.mark.exhaustive
# Most scripts print the process of their JVM first.
PID = "import os, sys, time\nfrom pyspark import SparkContext\njvm = SparkContext._jvm\n"
PID += "print(jvm.ProcessHandle.current().pid(), flush=True)\n"
SESSION = PID + "from pyspark.sql import SparkSession\nspark = SparkSession.builder.getOrCreate()\n"
RELEASED = "while not os.path.exists(sys.argv[-1]): time.sleep(0.1)\n"

CHANGE_ALL = (
    SESSION
    + f"""
spark.conf.set("spark.sql.shuffle.partitions", 7)
spark.range(3).createOrReplaceTempView("left_view")
spark.range(3).createOrReplaceGlobalTempView("left_global_view")
spark.range(3).write.saveAsTable("left_table")
spark.sparkContext.setLogLevel("ERROR")
spark.sparkContext._jsc.hadoopConfiguration().set("left", "in Hadoop")
jvm.org.apache.hadoop.fs.FileSystem.get(jvm.java.net.URI("s3a://{BUCKET}"), spark._jsc.hadoopConfiguration())
jvm.System.setProperty("left", "in Java")
jvm.System.setProperty("spark.sql.session.timeZone", "Asia/Tokyo")
jvm.java.util.TimeZone.setDefault(jvm.java.util.TimeZone.getTimeZone("Asia/Tokyo"))
for file in ("in-java.tmp", "folder/in-java.tmp"):
    path = jvm.java.io.File(jvm.System.getProperty("java.io.tmpdir"), file)
    path.getParentFile().mkdirs()
    path.createNewFile()
"""
)
STATE = (
    PID
    + f"""
import json
temporary = os.listdir(jvm.System.getProperty("java.io.tmpdir"))
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
files = jvm.org.apache.hadoop.fs.FileSystem.get(jvm.java.net.URI("s3a://{BUCKET}"), spark._jsc.hadoopConfiguration())
print(json.dumps({{
    "temporary files": temporary,
    "name": spark.sparkContext.appName,
    "shuffle partitions": spark.conf.get("spark.sql.shuffle.partitions"),
    "session time zone": spark.conf.get("spark.sql.session.timeZone"),
    "tables": [table.name for table in spark.catalog.listTables() + spark.catalog.listTables("global_temp")],
    "Java property": jvm.System.getProperty("left"),
    "Java time zone": jvm.java.util.TimeZone.getDefault().getID(),
    "log level": jvm.org.apache.logging.log4j.LogManager.getRootLogger().getLevel().toString(),
    "file system": files.getConf().get("left"),
}}))
"""
)


@pytest.fixture(scope="module")
def aws(tmp_path_factory) -> Iterator[LocalAws]:
    """A minute lasts a second: a JVM is idle for ten."""
    local_aws = LocalAws(free_port(), tmp_path_factory.mktemp("aws"), seconds_per_minute=1)
    service.start(local_aws, bucket=BUCKET, role=ROLE)
    yield local_aws
    service.stop(local_aws)


def first_pid(jobs: Jobs, run: dict) -> int:
    """The JVM of a run, as its script has printed it."""
    return int(jobs.log(run)[0])


def wait_until_gone(pid: int, seconds: float = 120) -> float:
    """The seconds that it took."""
    began = time.monotonic()
    while lives(pid):
        assert time.monotonic() < began + seconds
        time.sleep(0.05)
    return time.monotonic() - began


def java(aws: LocalAws) -> list[int]:
    """The JVMs of a local AWS."""
    found = processes_with(str(aws.state / "glue" / "jvms"))
    return [int(path.name) for path in found if path.joinpath("comm").read_text().strip() == "java"]


@LONG
def test_java_forgets_what_the_python_of_an_ended_run_referred_to(jobs):
    script = PID + "print(SparkContext._gateway.java_gateway_server.getGateway().getBindings().size())\n"
    script += "from pyspark.sql import SparkSession\nspark = SparkSession.builder.getOrCreate()\n"
    objects = [jobs.log(jobs.run(name, script))[1] for name in ("first", "second", "third")]

    assert objects[1] == objects[2]


def test_a_run_finds_the_jvm_of_the_last_one_and_nothing_that_it_has_left(jobs):
    first = jobs.run("changes", CHANGE_ALL)
    second = jobs.run("looks", STATE)

    assert second["JobRunState"] == "SUCCEEDED", jobs.log(second)
    assert first_pid(jobs, second) == first_pid(jobs, first)
    assert json.loads(jobs.log(second)[1]) == {
        "temporary files": [],
        "name": "looks",
        "shuffle partitions": "200",
        "session time zone": "UTC",
        "tables": [],
        "Java property": None,
        "Java time zone": "UTC",
        "log level": "WARN",
        "file system": None,
    }


@LONG
def test_a_run_with_other_settings_has_another_jvm(jobs):
    same = {"--conf": "spark.sql.shuffle.partitions=3 --conf spark.sql.ansi.enabled=true"}
    order = {"--conf": "spark.sql.ansi.enabled=true --conf spark.sql.shuffle.partitions=3", "--own": "argument"}
    others = ({}, {"--conf": "spark.sql.ansi.enabled=true"}, {"--datalake-formats": "iceberg"}, same)

    pids = [first_pid(jobs, jobs.run("settings", PID, arguments=arguments)) for arguments in (same, order, *others)]

    assert pids[0] == pids[1]
    assert len(set(pids)) == 1 + len(others)
    for ended in pids[:-1]:  # one is kept, the last
        wait_until_gone(ended)
    assert lives(pids[-1])


def test_java_options_of_a_job_come_beside_those_of_the_local_aws(jobs):
    script = PID + 'print(jvm.System.getProperty("own"), jvm.System.getProperty("java.io.tmpdir"))'

    run = jobs.run("options", script, arguments={"--conf": "spark.driver.extraJavaOptions=-Down=option"})

    own, temporary = jobs.log(run)[1].split()
    assert own == "option"
    assert temporary.startswith(str(jobs.aws.state))


def test_a_jvm_that_does_not_start_fails_the_run_and_its_log_says_why(jobs):
    run = jobs.run("unstartable", PID, arguments={"--conf": "spark.driver.memory=much"})

    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"] == "Command failed with exit code 1; the error log says why"
    assert "-Xmxmuch" in " ".join(jobs.log(run, "error"))


@LONG
def test_each_run_s_own_code_is_in_spark_s_python_workers_too(jobs):
    script = (
        SESSION
        + """
import alone, zipped
work = spark.sparkContext.parallelize([1], 1).map(lambda _: (alone.VERSION, zipped.VERSION)).first()
print((alone.VERSION, zipped.VERSION), work)
"""
    )
    for version in ("old", "new"):
        with io.BytesIO() as buffer:
            with zipfile.ZipFile(buffer, "w") as archive:
                archive.writestr("zipped.py", f"VERSION = {version!r}")
            jobs.s3.put_object(Bucket=BUCKET, Key="code.zip", Body=buffer.getvalue())
        jobs.s3.put_object(Bucket=BUCKET, Key="alone.py", Body=f"VERSION = {version!r}")
        code = {"--extra-py-files": f"s3://{BUCKET}/code.zip,s3://{BUCKET}/alone.py"}

        run = jobs.run("code", script, arguments=code)

        pid, versions = jobs.log(run)
        assert versions == f"{(version, version)} {(version, version)}"
    assert first_pid(jobs, run) == int(pid)


def test_what_the_script_prints_is_output_and_what_spark_prints_is_error_of_this_run_only(jobs):
    script = (
        SESSION
        + """
print("script", file=sys.stderr)
jvm.org.apache.log4j.LogManager.getLogger("logger").warn("from Java")
spark.sparkContext.parallelize([1], 1).foreach(lambda _: print("from Python in Spark"))
"""
    )
    runs = [jobs.run(name, script) for name in ("prints", "prints_too")]

    for run in runs:
        assert jobs.log(run)[1:] == ["script"]
        java_line, python_line = sorted(jobs.log(run, "error"))
        assert java_line.endswith("WARN logger: from Java")
        assert python_line == "from Python in Spark"
        assert (jobs.aws.state / "glue" / run["Id"] / "error").read_text().count("from Java") == 1
    assert first_pid(jobs, runs[0]) == first_pid(jobs, runs[1])


@pytest.mark.parametrize(
    "end",
    [
        "spark.stop()",
        pytest.param("sys.exit()", marks=LONG),
        pytest.param("import threading; threading.Timer(1, spark.range(9).count).start()", marks=LONG),
    ],
)
def test_a_script_may_stop_its_session_or_leave_that_to_the_local_aws(jobs, end):
    first = jobs.run("stops", SESSION + end)
    second = jobs.run("comes_then", SESSION)

    assert (first["JobRunState"], second["JobRunState"]) == ("SUCCEEDED", "SUCCEEDED")
    assert jobs.log(first)[1:] == []
    assert first_pid(jobs, first) == first_pid(jobs, second)


@pytest.mark.parametrize(
    ("end", "state"),
    [
        ("raise ValueError", "FAILED"),
        pytest.param("os.kill(os.getpid(), 9)", "FAILED", marks=LONG),
        pytest.param("os.kill(jvm.ProcessHandle.current().pid(), 9)", "FAILED", marks=LONG),
        pytest.param("jvm.System.exit(0)", "FAILED", marks=LONG),
        pytest.param("time.sleep(300)", "TIMEOUT", marks=LONG),
        pytest.param("os._exit(0)", "SUCCEEDED", marks=LONG),
        # Hive keeps its tables in the JVM.
        pytest.param(
            "spark.stop(); SparkSession.builder.enableHiveSupport().getOrCreate().catalog.listTables()",
            "SUCCEEDED",
            marks=LONG,
        ),
    ],
)
def test_a_run_that_does_not_end_well_ends_its_jvm(jobs, end, state):
    run = jobs.run("ends", SESSION + end, Timeout=20 if state == "TIMEOUT" else 90)

    assert run["JobRunState"] == state, run
    assert not lives(first_pid(jobs, run))
    # No word of Spark's about its end.
    assert "Hive" in end or jobs.log(run, "error") == []


@LONG
def test_runs_at_the_same_time_have_a_jvm_each_of_which_one_stays(jobs, tmp_path):
    jobs.create("together", SESSION + RELEASED, ExecutionProperty={"MaxConcurrentRuns": 2})
    release = tmp_path / "release"
    run_ids = [jobs.start("together", Arguments={"--release": str(release)}) for _ in range(2)]
    runs = [jobs.wait("together", run_id, until=lambda run: jobs.log(run) != []) for run_id in run_ids]
    pids = {first_pid(jobs, run) for run in runs}
    assert len(pids) == 2
    assert all(set(pids) & {process.pid for process in processes(run_id)} for run_id in run_ids)

    release.touch()
    for run_id in run_ids:
        assert jobs.wait("together", run_id)["JobRunState"] == "SUCCEEDED"
    third = first_pid(jobs, jobs.run("third", PID))

    assert third in pids
    wait_until_gone(*(pids - {third}))


@LONG
def test_an_idle_jvm_ends_after_ten_minutes(jobs):
    pid = first_pid(jobs, jobs.run("idle", PID))

    assert lives(pid)
    assert wait_until_gone(pid) > 5
    deadline = time.monotonic() + 120
    while left := list((jobs.aws.state / "glue" / "jvms").iterdir()):
        assert time.monotonic() < deadline, left


@pytest.mark.parametrize(
    ("limit", "value", "most"),
    [("MOST_RUNS", 2, 2), pytest.param("MOST_MEMORY", 1, 1, marks=LONG), pytest.param("MOST_RUNS", 50, 3, marks=LONG)],
)
def test_a_jvm_that_served_many_runs_or_holds_much_memory_ends(tmp_path, monkeypatch, limit, value, most):
    monkeypatch.setattr(jvms, limit, value)
    aws, script = LocalAws(free_port(), tmp_path), tmp_path / "script.py"
    script.write_text("")

    async def serve() -> list[int]:
        kept, served = jvms.Jvms(aws, tmp_path), []
        for number in range(3):
            jvm = await kept.take(JvmSettings({}, iceberg=False))
            (directory := tmp_path / str(number)).mkdir()
            environment = spark.environment(aws, directory)
            assert await jvm.run(Script(directory, script, "name", [], [], environment)) == 0
            await kept.give_back(jvm)
            served.append(jvm.runs)
        await kept.close()
        return served

    assert asyncio.run(serve()) == [min(number, most) if most > 1 else 1 for number in (1, 2, 3 if most > 2 else 1)]
    assert processes_with(str(tmp_path)) == []


def test_the_jvm_ends_with_the_local_aws_whose_next_start_warms_one_up(own_aws):
    jobs = Jobs(own_aws)
    assert java(own_aws) == []
    jobs.run("fails", PID + "raise ValueError", arguments={"--conf": "spark.of=failure"})
    service.stop(own_aws)
    service.start(own_aws)
    assert java(own_aws) == []  # no run has succeeded yet

    conf = {"--conf": "spark.own=setting"}
    pid = first_pid(jobs, jobs.run("succeeds", SESSION, arguments=conf))
    service.stop(own_aws)
    assert not lives(pid)

    service.start(own_aws)
    run = jobs.run("succeeds", SESSION + "print(spark.conf.get('spark.own'))", arguments=conf)
    warm, setting = jobs.log(run)
    assert psutil.Process(int(warm)).create_time() < run["StartedOn"].timestamp()
    assert setting == "setting"

    os.kill(service._server(own_aws)["pid"], signal.SIGKILL)
    wait_until_gone(int(warm))
