"""LakehouseReport: publishes what a run did, as a page for people and as rows of check_audit."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from airflow.providers.amazon.aws.hooks.glue import GlueJobHook
from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException

from stedi.athena import AthenaQueries, Row
from stedi.glue_job import job_runs
from stedi.report.cost import job_cost, query_cost
from stedi.report.page import ABOUT_CONTENT, QUERIES, CheckResult, Facts, JobRun, render
from stedi.s3 import s3_client
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
        answers, missing, asked = self._ask(queries, succeeded)
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
            jobs=[self._job(job, states.get(job) or "not run", run_id) for job in (*JOBS, "publish")],
            queries=query_cost([check.scanned for check in checks if check.scanned is not None] + asked, self.settings),
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
        self._athena.kill()

    def _check_results(self, ti: Any, states: Mapping[str, str]) -> list[CheckResult]:
        pulled = {name: ti.xcom_pull(task_ids=f"checks.{name}") or {} for name in self.checks}
        executions = {
            result["query_execution_id"]: name for name, result in pulled.items() if "query_execution_id" in result
        }
        scanned = {executions[execution_id]: count for execution_id, count in self._scanned(executions).items()}
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

    def _scanned(self, executions: Collection[str]) -> dict[str, int]:
        """{execution id: bytes that its query scanned}; those that failed are free."""
        if not executions:
            return {}
        found = self._athena.hook.conn.batch_get_query_execution(QueryExecutionIds=list(executions))
        return {
            query["QueryExecutionId"]: query["Statistics"].get("DataScannedInBytes", 0)
            for query in found["QueryExecutions"]
            if query["Status"]["State"] != "FAILED"
        }

    def _job(self, job: str, state: str, run_id: str) -> JobRun:
        """A job with the cost of its runs for this run: Glue has them all, also of attempts that failed."""
        name = self.settings.job_name(job)
        runs = job_runs(GlueJobHook(job_name=name).conn, name, run_id)
        return JobRun(job, state, job_cost(runs, self.settings))

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

    def _ask(self, queries: Mapping[str, str], succeeded: bool) -> tuple[dict[str, list[Row]], list[str], list[int]]:
        """The answers to the queries, why some are missing, and how many bytes each query scanned."""
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
        return answers, missing, list(self._scanned(executions.values()).values())

    def _put(self, key: str, content: str, content_type: str) -> None:
        s3 = s3_client(self.settings)
        s3.put_object(Bucket=self.settings.bucket, Key=key, Body=content.encode(), ContentType=content_type)
