"""The report of runs that never happened like this: on a local AWS without tables."""

import json
import re
from dataclasses import replace

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowTaskTimeout
from airflow.sdk.execution_time.timeout import TimeoutPosix

from dev.settings import lakehouse_settings
from local_aws.resources import ensure_bucket_and_role
from stedi.report.operator import LakehouseReport
from stedi.report.page import QUERIES
from stedi.tables import JOBS
from tests.local_aws.glue_jobs import BUCKET, ROLE, Jobs

RUN_ID = "manual__2026-01-02T03:04:05+00:00"
AUDIT = """
    select 'customer_trusted' as job, 'customer_landing' as source, 'kept' as outcome, cast(null as varchar) as reason,
      1234 as records
"""
FIGURES = """
    select 'customer_trusted' as job, 'customer_landing' as source, 'read' as figure, 1234 as value
"""
FAILED = {"customer_trusted": "failed", "checks.consent": "upstream_failed"}
SUCCEEDED = dict.fromkeys((*JOBS, "publish"), "success") | {"checks.consent": "success"}


class TaskInstance:
    """What Airflow knows of a run: states and results of its tasks."""

    def __init__(self, states, results):
        self.states, self.results = states, results

    def get_task_states(self, dag_id, task_ids, run_ids):
        return {RUN_ID: self.states}

    def xcom_pull(self, task_ids, key="return_value"):
        return self.results.get(task_ids) if key == "return_value" else None


class Dag:
    task_ids = ("upload_landing", *JOBS, "checks.consent", "publish", "report")


@pytest.fixture
def publish(aws_environment, bucket, s3):
    """Reports a run; gives the names of the published files, and the page."""

    def execute(states, results=None, **queries):
        report = LakehouseReport(
            task_id="report",
            settings=replace(lakehouse_settings(), bucket=bucket, poll_seconds=0.1),
            checks=["consent"],
        )
        report.queries = dict.fromkeys(QUERIES, "select 1 as one from nowhere") | queries
        task_instance = TaskInstance(states, results or {})
        context = {"run_id": RUN_ID, "ti": task_instance, "dag": Dag, "params": {"consent_policy": "customer"}}
        assert report.execute(context) == {"report": f"s3://{bucket}/reports/{RUN_ID}/index.html"}
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix="reports/")["Contents"]]
        page = s3.get_object(Bucket=bucket, Key=f"reports/{RUN_ID}/index.html")
        assert page["ContentType"].startswith("text/html")
        return {key.rpartition("/")[2] for key in keys}, page["Body"].read().decode()

    return execute


def test_a_run_that_failed_early_is_reported_with_what_is_known_and_what_is_missing(publish):
    files, page = publish(FAILED, audit=AUDIT, figures=FIGURES)
    assert files == {"index.html"}
    assert "<b>1,234</b>" in page
    assert re.findall('role="img" aria-label="(.*?)"', page) == ["Where every record went"]
    assert "<b>customer_trusted</b> failed." in page
    assert "upstream_failed" in page
    assert "Missing from this report" in page
    assert "consent: the query" in page
    assert "Nothing was published" in page


def test_a_run_that_published_nothing_is_not_reported_with_what_others_have_published(publish):
    _, page = publish(FAILED, coverage="select 'covered' as figure, 9 as number, 1 as customers")
    assert "coverage" not in page


def test_a_query_that_fails_in_a_run_that_succeeded_fails_the_task(publish):
    with pytest.raises(AirflowException, match=r"checks: the query .* is FAILED: .*does not exist"):
        publish(SUCCEEDED, audit=AUDIT, figures=FIGURES)


def test_a_query_that_fails_leaves_none_of_the_others_running(publish, slow_query, unfinished_queries):
    with pytest.raises(AirflowException, match="audit: the query"):
        publish(SUCCEEDED, figures=slow_query())
    assert unfinished_queries() == []


def test_the_tasks_timeout_stops_all_queries(publish, slow_query, unfinished_queries):
    with pytest.raises(AirflowTaskTimeout), TimeoutPosix(2):
        publish(FAILED, figures=slow_query(), sizes=slow_query())
    assert unfinished_queries() == []


def test_a_run_that_is_reported_again_replaces_what_it_left_in_check_audit(publish, bucket, s3):
    publish(FAILED)
    publish(FAILED | {"checks.consent": "failed"}, {"checks.consent": {"violations": 3, "figures": {"rows": 3}}})
    [item] = s3.list_objects_v2(Bucket=bucket, Prefix="check_audit/")["Contents"]
    assert not {":", "+"} & set(item["Key"])
    [row] = map(json.loads, s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read().splitlines())
    assert row.pop("checked_at") > 1_700_000_000_000
    assert row == {
        "run_id": RUN_ID,
        "consent_policy": "customer",
        "check_name": "consent",
        "state": "failed",
        "violations": 3,
        "figures": '{"rows": 3}',
    }


def test_the_page_counts_every_attempt_of_a_job_in_this_run_and_no_other_run(publish, aws):
    ensure_bucket_and_role(aws, BUCKET, ROLE)
    jobs, name = Jobs(aws), lakehouse_settings().job_name("customer_trusted")
    jobs.create(name, "import time; time.sleep(2)")
    for run_id in (RUN_ID, RUN_ID, "another"):
        jobs.wait(name, jobs.start(name, Arguments={"--run_id": run_id}))
    _, page = publish(FAILED)
    jobs.glue.delete_job(JobName=name)
    row = page[page.index("<td>customer_trusted</td>") :]
    # Two runs of two workers, a minute each at least.
    assert re.findall('<td class="number">(.*?)</td>', row)[1:3] == ["240", "$0.0293"]


def test_the_page_shows_what_was_delivered_and_what_a_check_scanned(publish, aws, bucket):
    athena = aws.client("athena")
    query = athena.start_query_execution(
        QueryString="select 1", ResultConfiguration={"OutputLocation": f"s3://{bucket}/results/"}
    )
    result = {"violations": 1, "figures": {}, "query_execution_id": query["QueryExecutionId"]}
    delivered = {"customer_landing": {"files": 1, "sent": 1}, "step_trainer_landing": {"files": 0, "sent": 0}}
    _, page = publish(FAILED, {"upload_landing": delivered, "checks.consent": result}, audit=AUDIT)
    assert "This delivery had no files for step_trainer_landing." in page
    assert "customer_landing 1 file (1 new or changed)" in page
    assert "2 queries, of the checks and of this report, scanned 0 bytes; billed are 20.0 MB, $0.0001." in page
