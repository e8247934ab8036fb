"""The report of runs that never happened like this: on a local AWS without tables."""

import json

import pytest
from airflow.sdk.exceptions import AirflowException

from stedi.report.operator import LakehouseReport
from stedi.settings import Settings

RUN_ID = "manual__2026-01-02T03:04:05+00:00"
AUDIT = """
    select 'customer_trusted' as job, 'customer_landing' as source, 'read' as outcome, cast(null as varchar) as reason,
      1234 as records
"""


class TaskInstance:
    """What Airflow knows of a run: states and results of its tasks."""

    def __init__(self, states, results):
        self.states, self.results = states, results

    def get_task_states(self, dag_id, task_ids, run_ids):
        return {RUN_ID: self.states}

    def xcom_pull(self, task_ids, key="return_value"):
        return self.results.get(task_ids) if key == "return_value" else None


class Dag:
    task_ids = ("customer_trusted", "checks.consent", "report")


@pytest.fixture
def publish(aws_environment, bucket, s3):
    """Reports a run; gives the names of the published files, and the page."""

    def execute(states, results=None, **queries):
        names = ("audit", "checks", "sizes", "consent", "coverage", "customer_trusted")
        report = LakehouseReport(
            task_id="report",
            settings=Settings(bucket=bucket, poll_seconds=0.1),
            jobs=["customer_trusted"],
            checks=["consent"],
            queries=dict.fromkeys(names, "select 1 as one from nowhere") | queries,
        )
        params = {"consent_policy": "customer", "match_on": "time"}
        task_instance = TaskInstance(states, results or {})
        published = report.execute({"run_id": RUN_ID, "ti": task_instance, "dag": Dag, "params": params})
        assert published == {"report": f"s3://{bucket}/reports/{RUN_ID}/index.html"}
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix="reports/")["Contents"]]
        page = s3.get_object(Bucket=bucket, Key=f"reports/{RUN_ID}/index.html")
        assert page["ContentType"].startswith("text/html")
        return {key.rpartition("/")[2] for key in keys}, page["Body"].read().decode()

    return execute


FAILED = {"customer_trusted": "failed", "checks.consent": "upstream_failed"}
GREEN = {"customer_trusted": "success", "checks.consent": "success"}


def test_a_run_that_failed_early_is_reported_with_what_is_known_and_what_is_missing(publish):
    files, page = publish(FAILED, audit=AUDIT)
    assert files == {"index.html", "flow.png", "cost.png"}
    assert "<b>1,234</b>" in page
    assert "upstream_failed" in page
    assert "What is missing" in page
    assert "coverage: the query" in page


def test_a_query_that_fails_in_a_green_run_fails_the_task(publish):
    with pytest.raises(AirflowException, match=r"checks: the query .* is FAILED: .*does not exist"):
        publish(GREEN, audit=AUDIT)


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
        "match_on": "time",
        "check_name": "consent",
        "state": "failed",
        "violations": 3,
        "figures": '{"rows": 3}',
    }


def test_what_a_check_found_is_shown_as_text_whatever_it_is(publish):
    _, page = publish(FAILED, {"checks.consent": {"violations": 1, "figures": {"run": "<script>alert(1)</script>"}}})
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
