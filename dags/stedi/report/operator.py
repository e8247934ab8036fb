"""LakehouseReport: publishes what a run did, as a page for people and as rows of check_audit."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from airflow.providers.amazon.aws.hooks.glue import GlueJobHook
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException

from stedi.athena import AthenaQueries, Row
from stedi.report.page import ABOUT_CONTENT, QUERIES, CheckResult, Facts, JobRun, render
from stedi.settings import Settings
from stedi.snapshots import staged_snapshots
from stedi.tables import JOBS, WRITTEN_TABLES


class LakehouseReport(BaseOperator):
    """Publishes ``s3://<bucket>/reports/<run id>/index.html``, a page that needs nothing but itself.

    Before that, it writes the run's rows of check_audit; a report that is repeated replaces them. Run it after all
    other tasks, whether they succeeded or not: if the run failed, the page leaves out what cannot be known and says
    so; if it succeeded, a query that fails fails the report.

    Returns ``{"report": the page's s3:// location}``. The page has no name, email or phone number: the queries count,
    or mask what they show.

    :param settings: where the lakehouse lives.
    :param checks: names of the checks, whose tasks are ``checks.<name>``.
    """

    template_fields: Sequence[str] = ("queries",)
    template_ext: Sequence[str] = (".sql",)
    ui_color = "#d6e4f5"

    def __init__(self, *, settings: Settings, checks: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = settings
        self.checks = checks
        self.queries = {name: f"report/{name}.sql" for name in QUERIES}

    @cached_property
    def _athena(self) -> AthenaQueries:
        return AthenaQueries.of(self.settings)

    def execute(self, context: Context) -> dict[str, str]:
        run_id, params, ti, now = context["run_id"], dict(context["params"]), context["ti"], datetime.now(UTC)
        tasks = [task_id for task_id in context["dag"].task_ids if task_id != self.task_id]
        states = ti.get_task_states(dag_id=self.dag_id, task_ids=tasks, run_ids=[run_id])[run_id]
        needed = [*JOBS, *(f"checks.{name}" for name in self.checks), "publish"]
        succeeded = all(states.get(task) == "success" for task in needed)
        checks = self._check_results(ti, states)
        self._write_check_audit(run_id, params, now, checks)
        queries = {name: sql for name, sql in self.queries.items() if succeeded or name not in ABOUT_CONTENT}
        if not succeeded:
            queries["staged"] = staged_snapshots(self.settings.database, WRITTEN_TABLES, run_id)
        answers, missing = self._ask(queries, succeeded)
        staged = {
            f"{self.settings.database}.{row['table_name']}": row["snapshot_id"] for row in answers.pop("staged", [])
        }
        facts = Facts(
            run_id=run_id,
            reported_at=now,
            params=params,
            succeeded=succeeded,
            failed_tasks=[task for task in tasks if states.get(task) == "failed"],
            delivered=ti.xcom_pull(task_ids="upload_landing") or {},
            jobs=[_job_run(ti, job, states.get(job) or "not run") for job in JOBS],
            checks=checks,
            answers=answers,
            missing=missing,
            staged=staged,
        )
        key = f"reports/{run_id}/index.html"
        self._put(key, render(facts), "text/html; charset=utf-8")
        location = f"s3://{self.settings.bucket}/{key}"
        self.log.info("Published %s", location)
        return {"report": location}

    def on_kill(self) -> None:
        self._athena.stop()

    def _check_results(self, ti: Any, states: Mapping[str, str]) -> list[CheckResult]:
        pulled = {name: ti.xcom_pull(task_ids=f"checks.{name}") or {} for name in self.checks}
        executions = {
            result["query_execution_id"]: name for name, result in pulled.items() if "query_execution_id" in result
        }
        scanned = {}
        if executions:
            found = self._athena.hook.conn.batch_get_query_execution(QueryExecutionIds=list(executions))
            for query in found["QueryExecutions"]:
                name = executions[query["QueryExecutionId"]]
                scanned[name] = query["Statistics"].get("DataScannedInBytes", 0)
        return [
            CheckResult(
                name=name,
                state=states.get(f"checks.{name}") or "not run",
                violations=result.get("violations"),
                figures=result.get("figures", {}),
                scanned=scanned.get(name),
            )
            for name, result in pulled.items()
        ]

    def _write_check_audit(
        self, run_id: str, params: Mapping[str, Any], now: datetime, checks: Sequence[CheckResult]
    ) -> None:
        rows = [
            {
                "run_id": run_id,
                "checked_at": int(now.timestamp() * 1000),
                "consent_policy": params["consent_policy"],
                "check_name": check.name,
                "state": check.state,
                "violations": check.violations,
                "figures": json.dumps(check.figures),
            }
            for check in checks
        ]
        # Not every reader of S3 takes colons in names, and names that start with an underscore are not data.
        key = f"check_audit/run-{re.sub('[^A-Za-z0-9._-]', '_', run_id)}.json"
        self._put(key, "".join(json.dumps(row) + "\n" for row in rows), "application/json")

    def _ask(self, queries: Mapping[str, str], succeeded: bool) -> tuple[dict[str, list[Row]], list[str]]:
        """The answers to the queries, and why some are missing."""
        answers, missing = {}, []
        with self._athena as athena:
            executions = {name: athena.start(sql) for name, sql in queries.items()}
            for name, execution_id in executions.items():
                try:
                    answers[name] = athena.wait_for_result(name, execution_id)[1]
                except AirflowException as error:
                    if succeeded:
                        raise
                    self.log.warning("%s", error)
                    missing.append(str(error))
        return answers, missing

    def _put(self, key: str, content: str, content_type: str) -> None:
        s3 = S3Hook().get_conn()
        s3.put_object(Bucket=self.settings.bucket, Key=key, Body=content.encode(), ContentType=content_type)


def _job_run(ti: Any, job: str, state: str) -> JobRun:
    run_id = ti.xcom_pull(task_ids=job, key="glue_job_run_id")
    if not run_id:
        return JobRun(job, state)
    run = GlueJobHook(job_name=job).conn.get_job_run(JobName=job, RunId=run_id)["JobRun"]
    seconds = run.get("ExecutionTime", 0)
    # Glue itself reports DPU-seconds for some kinds of jobs only.
    return JobRun(job, state, seconds, run.get("DPUSeconds") or seconds * run.get("MaxCapacity", 0))
