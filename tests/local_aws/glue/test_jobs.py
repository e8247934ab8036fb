"""Glue jobs on the local AWS, through boto3: what a run does, and how it ends."""

import io
import os
import signal
import time
import zipfile

import psutil
import pytest
from botocore.exceptions import ClientError

from local_aws import service
from local_aws.glue.processes import processes
from tests.local_aws.glue_jobs import BUCKET, ICEBERG_CONF, Jobs, processes_with

PRINT_ARGUMENTS = "import sys; print(' '.join(sys.argv[1:]))"
SLEEP = "import time; print('asleep', flush=True); time.sleep(300)"

# A JVM with a session, and Python workers at work in it.
BUSY_SPARK = """
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()

def forever(number):
    import time
    print("worker", number, flush=True)
    time.sleep(300)

spark.sparkContext.parallelize([1, 2], 2).foreach(forever)
"""

ICEBERG = """
import sys
from pyspark.sql import SparkSession, functions

run_id = sys.argv[sys.argv.index("--JOB_RUN_ID") + 1]
spark = SparkSession.builder.getOrCreate()
spark.sql("CREATE DATABASE IF NOT EXISTS glue_catalog.test")
spark.sql("CREATE TABLE IF NOT EXISTS glue_catalog.test.steps (id bigint) USING iceberg")
frame = spark.read.schema("id bigint").json(sys.argv[sys.argv.index("--landing") + 1])
frame.writeTo("glue_catalog.test.steps").option("snapshot-property.run_id", run_id).overwrite(functions.lit(True))
print("rows", spark.table("glue_catalog.test.steps").count())
snapshots = spark.table("glue_catalog.test.steps.snapshots").orderBy("committed_at").collect()
print("written by", snapshots[-1].summary["run_id"])
"""


def refusal(call, **request) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**request)
    return refused.value.response["Error"]["Code"], refused.value.response["Error"]["Message"]


def test_a_script_that_ends_well_succeeds_and_its_output_is_in_the_logs(jobs):
    run = jobs.run("prints", "import sys; print('to stdout'); print('to stderr', file=sys.stderr)")

    assert run["JobRunState"] == "SUCCEEDED"
    assert "ErrorMessage" not in run
    assert run["Id"].startswith("jr_")
    assert run["StartedOn"] <= run["CompletedOn"]
    assert (run["MaxCapacity"], run["LogGroupName"]) == (2.0, "/aws-glue/jobs")
    assert jobs.log(run, "output") == ["to stdout", "to stderr"]
    assert jobs.log(run, "error") == []


def test_a_run_s_arguments_come_before_the_job_s_defaults_and_glue_adds_its_own(jobs):
    defaults = {"--landing": "s3://old", "--policy": "customer", "--datalake-formats": "iceberg", "--conf": "spark.a=b"}

    run = jobs.run("arguments", PRINT_ARGUMENTS, DefaultArguments=defaults, arguments={"--landing": "s3://new x"})

    (line,) = jobs.log(run)
    assert line.endswith(f"--JOB_RUN_ID {run['Id']} --JOB_NAME arguments --landing s3://new x --policy customer")


def test_a_script_imports_its_extra_py_files_and_nothing_of_the_host(jobs, monkeypatch):
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("lakehouse_of_test/__init__.py", "NAME = 'from the zip'")
    jobs.s3.put_object(Bucket=BUCKET, Key="code/lakehouse.zip", Body=package.getvalue())
    script = """
import importlib.util, os, lakehouse_of_test
print(lakehouse_of_test.NAME)
print([name for name in ("local_aws", "tests", "conftest") if importlib.util.find_spec(name)])
print(sorted(name for name in os.environ if name.startswith(("PYTEST", "AIRFLOW", "PYTHONPATH"))))
"""

    run = jobs.run("packages", script, arguments={"--extra-py-files": f"s3://{BUCKET}/code/lakehouse.zip"})

    packages, modules, _ = jobs.log(run)
    assert (packages, modules) == ("from the zip", "[]")


def test_a_failing_script_fails_the_run_with_its_exception_in_one_line(jobs):
    script = "print('begun')\nraise ValueError('consent_policy must be one of customer, reading_time\\n  or so')"

    run = jobs.run("raises", script)

    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"] == (
        "Error Category: UNCLASSIFIED_ERROR; Failed Line Number: 2; "
        "ValueError: consent_policy must be one of customer, reading_time"
    )
    assert jobs.log(run)[:2] == ["begun", "Traceback (most recent call last):"]
    assert jobs.log(run)[-2:] == ["ValueError: consent_policy must be one of customer, reading_time", "  or so"]


def test_an_error_of_spark_fails_the_run_with_spark_s_own_words(jobs):
    script = """
from pyspark.sql import SparkSession
SparkSession.builder.getOrCreate().table("nowhere.nothing")
"""

    run = jobs.run("analysis", script)

    assert run["ErrorMessage"].startswith(
        "Error Category: QUERY_ERROR; Failed Line Number: 3; AnalysisException: [TABLE_OR_VIEW_NOT_FOUND] "
    )
    assert "\n" not in run["ErrorMessage"]


def test_a_script_that_is_killed_says_by_which_signal(jobs):
    run = jobs.run("killed", "import os; os.kill(os.getpid(), 9)")

    assert (run["JobRunState"], run["ErrorMessage"].split(": ")[1]) == ("FAILED", "the job was killed by signal 9")


def test_a_missing_script_fails_the_run_as_on_glue(jobs):
    run = jobs.run("missing", None)

    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"] == f"LAUNCH ERROR | File Doesn't Exist: s3://{BUCKET}/scripts/missing.py"
    assert jobs.log(run, "error") == [run["ErrorMessage"]]


def test_what_the_local_aws_cannot_do_fails_the_run_and_says_so(jobs):
    run = jobs.run("pip", PRINT_ARGUMENTS, arguments={"--additional-python-modules": "pandas"})

    assert run["ErrorMessage"] == "LAUNCH ERROR | The local AWS does not support --additional-python-modules."


def test_a_run_beyond_its_timeout_ends_as_timeout_and_leaves_no_process(jobs):
    run = jobs.run("slow", SLEEP, Timeout=30)  # three seconds here

    assert run["JobRunState"] == "TIMEOUT"
    assert processes_with(run["Id"]) == []


def test_stopping_a_run_ends_its_jvm_and_its_python_workers(jobs):
    jobs.create("busy", BUSY_SPARK)
    run_id = jobs.start("busy")
    jobs.wait("busy", run_id, until=lambda run: "worker" in " ".join(jobs.log(run) + jobs.log(run, "error")))
    found = processes(run_id)
    names = {process.name() for process in found}
    assert {"java", "python"} <= names | {"python" for name in names if name.startswith("python")}

    answer = jobs.glue.batch_stop_job_run(JobName="busy", JobRunIds=[run_id, "jr_unknown"])

    assert [run["JobRunId"] for run in answer["SuccessfulSubmissions"]] == [run_id]
    assert [error["ErrorDetail"]["ErrorCode"] for error in answer["Errors"]] == ["EntityNotFoundException"]
    assert jobs.wait("busy", run_id)["JobRunState"] == "STOPPED"
    # Killed; the system may take a moment to take them off its list.
    assert psutil.wait_procs(found, timeout=10)[1] == []


def test_a_second_run_at_the_same_time_is_refused_unless_the_job_permits_it(jobs):
    jobs.create("alone", SLEEP)
    first = jobs.start("alone")

    code, message = refusal(jobs.glue.start_job_run, JobName="alone")
    assert (code, message) == ("ConcurrentRunsExceededException", "Concurrent runs exceeded for alone")

    update = jobs.definition("alone", ExecutionProperty={"MaxConcurrentRuns": 2})
    jobs.glue.update_job(JobName="alone", JobUpdate=update)
    second = jobs.start("alone")
    jobs.glue.batch_stop_job_run(JobName="alone", JobRunIds=[first, second])
    assert {jobs.wait("alone", run)["JobRunState"] for run in (first, second)} == {"STOPPED"}


def test_a_failed_run_is_tried_again_as_often_as_the_job_says(jobs):
    jobs.create("retried", None, MaxRetries=1)
    first = jobs.start("retried")
    jobs.wait("retried", first)

    second = jobs.wait("retried", f"{first}_attempt_1")

    assert (second["Attempt"], second["PreviousRunId"], second["JobRunState"]) == (1, first, "FAILED")
    assert [run["Id"] for run in jobs.glue.get_job_runs(JobName="retried")["JobRuns"]] == [second["Id"], first]


@pytest.mark.exhaustive
def test_an_iceberg_table_is_written_and_read_through_the_glue_catalog(jobs):
    jobs.s3.put_object(Bucket=BUCKET, Key="landing/steps/1.json", Body=b'{"id": 1}\n{"id": 2}\n{"id": 3}\n')
    arguments = {"--datalake-formats": "iceberg", "--conf": ICEBERG_CONF, "--landing": f"s3://{BUCKET}/landing/steps/"}

    run = jobs.run("iceberg", ICEBERG, arguments=arguments)

    assert jobs.log(run) == ["rows 3", f"written by {run['Id']}"], jobs.log(run, "error")
    assert jobs.log(run, "error") == []
    table = jobs.glue.get_table(DatabaseName="test", Name="steps")["Table"]
    assert table["Parameters"]["metadata_location"].startswith(f"s3://{BUCKET}/warehouse/")


@pytest.mark.exhaustive
def test_without_datalake_formats_there_is_no_iceberg(jobs):
    run = jobs.run("no_iceberg", ICEBERG, arguments={"--conf": ICEBERG_CONF})

    assert run["JobRunState"] == "FAILED"
    assert "org.apache.iceberg" in run["ErrorMessage"]


def test_a_run_whose_server_was_killed_is_failed_and_leaves_no_process(own_aws):
    jobs = Jobs(own_aws)
    jobs.create("orphan", SLEEP)
    run_id = jobs.start("orphan")
    jobs.wait("orphan", run_id, until=lambda run: jobs.log(run) == ["asleep"])

    os.kill(service._server(own_aws)["pid"], signal.SIGKILL)
    assert processes_with(run_id) != []
    service.start(own_aws)

    run = jobs.get("orphan", run_id)
    assert (run["JobRunState"], run["ErrorMessage"].partition(";")[0]) == (
        "FAILED",
        "The local AWS died while the job was running",
    )
    assert processes_with(run_id) == []
    assert "orphan" in jobs.glue.list_jobs()["JobNames"]


def test_a_log_is_read_on_from_its_token_and_no_line_comes_twice(jobs):
    run = jobs.run("log", "for line in range(5): print(line)")
    request = {"logGroupName": "/aws-glue/jobs/output", "logStreamNames": [run["Id"]]}
    logs = jobs.aws.client("logs")

    first = logs.filter_log_events(**request, limit=3)
    second = logs.filter_log_events(**request, nextToken=first["nextToken"])
    third = logs.filter_log_events(**request, nextToken=second["nextToken"])

    assert [[event["message"] for event in part["events"]] for part in (first, second, third)] == [
        ["0", "1", "2"],
        ["3", "4"],
        [],
    ]
    assert "nextToken" not in third


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"GlueVersion": "9.9"}, "GlueVersion '9.9' is not supported"),
        ({"Role": "arn:aws:iam::000000000000:role/nobody"}, "cannot be assumed by Glue"),
        ({"Command": {"Name": "pythonshell", "ScriptLocation": "s3://b/k.py"}}, "Spark jobs only"),
        ({"Command": {"Name": "glueetl", "ScriptLocation": "script.py"}}, "must be an S3 path"),
        ({"MaxCapacity": 10.0}, "Please do not set Max Capacity if using Worker Type"),
        ({"WorkerType": "X.1"}, "WorkerType X.1"),
        ({"Timeout": 10_081}, "Timeout must be between"),
        ({"ExecutionClass": "CHEAP"}, "it must be STANDARD or FLEX"),
    ],
)
def test_a_definition_that_makes_no_sense_is_refused(jobs, wrong, words):
    code, message = refusal(jobs.glue.create_job, Name="wrong", **jobs.definition("wrong", **wrong))

    assert code == "InvalidInputException"
    assert words in message
    assert "wrong" not in jobs.glue.list_jobs()["JobNames"]


def test_creating_a_job_again_is_accepted_only_with_the_same_definition(jobs):
    jobs.create("twice", None)

    jobs.glue.create_job(Name="twice", **jobs.definition("twice"))
    code, _ = refusal(jobs.glue.create_job, Name="twice", **jobs.definition("twice", MaxRetries=3))

    assert code == "IdempotentParameterMismatchException"


def test_an_update_replaces_the_whole_definition(jobs):
    jobs.create("updated", None, Description="old", DefaultArguments={"--a": "1"})
    created = jobs.glue.get_job(JobName="updated")["Job"]["CreatedOn"]

    jobs.glue.update_job(JobName="updated", JobUpdate=jobs.definition("updated", Timeout=7))

    job = jobs.glue.get_job(JobName="updated")["Job"]
    assert (job["Timeout"], job["CreatedOn"]) == (7, created)
    assert not {"Description", "DefaultArguments"} & set(job)


def test_what_does_not_exist_is_not_found(jobs):
    jobs.create("known", None)

    assert refusal(jobs.glue.get_job, JobName="unknown")[0] == "EntityNotFoundException"
    assert (
        refusal(jobs.glue.update_job, JobName="unknown", JobUpdate=jobs.definition("x"))[0] == "EntityNotFoundException"
    )
    assert refusal(jobs.glue.start_job_run, JobName="unknown")[0] == "EntityNotFoundException"
    assert refusal(jobs.glue.get_job_run, JobName="known", RunId="jr_unknown")[0] == "EntityNotFoundException"
    assert jobs.glue.batch_get_jobs(JobNames=["known", "unknown"])["JobsNotFound"] == ["unknown"]
    jobs.glue.delete_job(JobName="unknown")


def test_jobs_are_listed_page_by_page(jobs):
    for name in ("page_a", "page_b", "page_c"):
        jobs.create(name, None)

    pages = list(jobs.glue.get_paginator("get_jobs").paginate(PaginationConfig={"PageSize": 2}))

    assert all(len(page["Jobs"]) <= 2 for page in pages)
    names = [job["Name"] for page in pages for job in page["Jobs"]]
    assert names == sorted(set(names))
    assert {"page_a", "page_b", "page_c"} <= set(names)


def test_deleting_a_job_ends_its_run_and_forgets_it(jobs):
    jobs.create("deleted", SLEEP)
    run_id = jobs.start("deleted")
    jobs.wait("deleted", run_id, until=lambda run: run["JobRunState"] == "RUNNING")
    time.sleep(0.5)

    jobs.glue.delete_job(JobName="deleted")

    assert processes_with(run_id) == []
    assert refusal(jobs.glue.get_job_runs, JobName="deleted")[0] == "EntityNotFoundException"
    assert not (jobs.aws.state / "glue" / run_id).exists()
