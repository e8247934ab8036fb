"""LakehouseReport: what a run did, as a page and pictures that people look at, and as rows of check_audit."""

import json
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from airflow.providers.amazon.aws.hooks.athena import AthenaHook
from airflow.providers.amazon.aws.hooks.glue import GlueJobHook
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException

from stedi.athena import Row, athena_answer
from stedi.settings import Settings
from stedi.tables import LANDING_TABLES

#: The pictures: name, what it shows, inches of its width on a wide screen and on a phone.
PICTURES = {
    "flow": ("Where every record went", 9, 3.8),
    "history": ("The last runs", 9, 3.8),
    "consent": ("Consent over time", 9, 3.8),
    "coverage": ("Coverage of readings", 9, 3.8),
    "cost": ("What it took", 9, 3.8),
    "customer_trusted": ("customer_trusted, as Athena answers", 10, 10),
}


class LakehouseReport(BaseOperator):
    """Publishes ``s3://<bucket>/reports/<run id>/``: index.html, which needs nothing else, and the pictures as PNG.

    Before that, the run's rows of check_audit replace those that an earlier report of the run may have left there.
    Run it when all else has ended, well or not: in a run that is not green, what cannot be known is left out, and the
    page says so; in a green one a query that fails fails the task.

    Gives ``{"report": the page's s3:// location}``. No name, email or phone number is in it: ``queries`` give counts,
    and customer_trusted masked.

    :param settings: where the lakehouse lives.
    :param jobs: task ids of the Glue jobs, in their order.
    :param checks: names of the checks, whose tasks are ``checks.<name>``.
    :param queries: {name: SQL, or a ``.sql`` file on the DAG's template path} (templated).
    """

    template_fields: Sequence[str] = ("queries",)
    template_ext: Sequence[str] = (".sql",)
    ui_color = "#d6e4f5"

    def __init__(
        self,
        *,
        settings: Settings,
        jobs: list[str],
        checks: list[str],
        queries: dict[str, str],
        **kwargs,  # noqa: ANN003
    ) -> None:
        super().__init__(**kwargs)
        self.settings = settings
        self.jobs = jobs
        self.checks = checks
        self.queries = queries

    @cached_property
    def _athena(self) -> AthenaHook:
        return AthenaHook()

    @cached_property
    def _s3(self) -> Any:
        return S3Hook().get_conn()

    def execute(self, context: Context) -> dict[str, str]:
        run_id, ti, now = context["run_id"], context["ti"], datetime.now(UTC)
        tasks = [task_id for task_id in context["dag"].task_ids if task_id != self.task_id]
        states = ti.get_task_states(dag_id=self.dag_id, task_ids=tasks, run_ids=[run_id])[run_id]
        green = all(states.get(task) == "success" for task in [*self.jobs, *(f"checks.{name}" for name in self.checks)])
        checks = [
            {"name": name, "state": states.get(f"checks.{name}") or "not run"}
            | {"violations": None, "figures": {}, "query_execution_id": None}
            | (ti.xcom_pull(task_ids=f"checks.{name}") or {})
            for name in self.checks
        ]
        self._keep(run_id, context["params"], now, checks)
        answers, missing = self._ask(green)
        facts = {
            "run_id": run_id,
            "green": green,
            "params": dict(context["params"]),
            "at": now,
            "checks": checks,
            "missing": missing,
            "costs": [self._cost(ti, job, states.get(job) or "not run") for job in self.jobs],
            "scanned": self._scanned(checks),
        }
        return {"report": self._publish(facts, answers)}

    def _keep(self, run_id: str, params: Any, now: datetime, checks: list[dict]) -> None:
        rows = [
            {
                "run_id": run_id,
                "checked_at": int(now.timestamp() * 1000),
                "consent_policy": params["consent_policy"],
                "check_name": check["name"],
                "state": check["state"],
                "violations": check["violations"],
                "figures": json.dumps(check["figures"]),
            }
            for check in checks
        ]
        # Colons in names are not for every reader of S3, and names that start with an underscore are no data.
        key = f"check_audit/run-{re.sub('[^A-Za-z0-9._-]', '_', run_id)}.json"
        self._put(key, "".join(json.dumps(row) + "\n" for row in rows).encode(), "application/json")

    def _ask(self, green: bool) -> tuple[dict[str, list[Row]], list[str]]:
        """The answers, and why some are missing."""
        target = {"OutputLocation": self.settings.athena_output}
        database, workgroup = {"Database": self.settings.database}, self.settings.athena_workgroup
        executions = {
            name: self._athena.run_query(sql, database, target, workgroup=workgroup)
            for name, sql in self.queries.items()
        }
        answers, missing = {}, []
        for name, execution in executions.items():
            try:
                answers[name] = athena_answer(self._athena, name, execution, self.settings.poll_seconds)[1]
            except AirflowException as error:
                if green:
                    raise
                self.log.warning("%s", error)
                answers[name] = []
                missing.append(str(error))
        return answers, missing

    def _cost(self, ti: Any, job: str, state: str) -> dict[str, Any]:
        """What the last Glue job run of a job took."""
        run_id = ti.xcom_pull(task_ids=job, key="glue_job_run_id")
        run = GlueJobHook(job_name=job).conn.get_job_run(JobName=job, RunId=run_id)["JobRun"] if run_id else {}
        seconds = run.get("ExecutionTime", 0)
        # Glue itself reports DPU-seconds for some kinds of jobs only.
        dpu_seconds = run.get("DPUSeconds") or seconds * run.get("MaxCapacity", 0)
        return {"job": job, "state": state, "seconds": seconds, "dpu_seconds": dpu_seconds}

    def _scanned(self, checks: list[dict]) -> list[tuple[str, int]]:
        """(check, bytes that it scanned in Athena)"""
        names = {check["query_execution_id"]: check["name"] for check in checks if check["query_execution_id"]}
        if not names:
            return []
        found = self._athena.conn.batch_get_query_execution(QueryExecutionIds=list(names))["QueryExecutions"]
        scanned = {names[run["QueryExecutionId"]]: run["Statistics"].get("DataScannedInBytes", 0) for run in found}
        return [(name, scanned[name]) for name in self.checks if name in scanned]

    def _publish(self, facts: dict[str, Any], answers: dict[str, list[Row]]) -> str:
        from jinja2 import Environment, FileSystemLoader

        from stedi.report import figures as report_figures

        started = time.monotonic()
        folder = f"reports/{facts['run_id']}/"
        pictures = {}
        for name, draw in _drawings(facts, answers).items():
            what, wide, narrow = PICTURES[name]
            self._put(f"{folder}{name}.png", report_figures.png(draw, wide), "image/png")
            forms = [report_figures.svg(draw, width) for width in dict.fromkeys((wide, narrow))]
            pictures[name] = {"what": what, "wide": forms[0], "narrow": forms[-1] if len(forms) > 1 else None}
        templates = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
        audit = [row | {"records": int(row["records"])} for row in answers["audit"]]
        page = templates.get_template("index.html").render(
            **facts,
            pictures=pictures,
            audit=audit,
            landing=LANDING_TABLES,
            size=report_figures.size,
            colours=report_figures.COLOURS,
        )
        # Last: whoever finds the page finds its pictures.
        self._put(f"{folder}index.html", page.encode(), "text/html; charset=utf-8")
        self.log.info("s3://%s/%sindex.html, in %.1f s", self.settings.bucket, folder, time.monotonic() - started)
        return f"s3://{self.settings.bucket}/{folder}index.html"

    def _put(self, key: str, content: bytes, content_type: str) -> None:
        self._s3.put_object(Bucket=self.settings.bucket, Key=key, Body=content, ContentType=content_type)


def _drawings(facts: dict[str, Any], answers: dict[str, list[Row]]) -> dict[str, Any]:
    """{picture: function of its width} of what is known."""
    from stedi.report import figures

    audit = [
        figures.Outcome(row["job"], row["source"], row["outcome"], row["reason"], int(row["records"]))
        for row in answers["audit"]
    ]
    checks = [
        figures.Check(
            row["run_id"],
            int(row["checked_at"]),
            row["check_name"],
            row["state"],
            int(row["violations"]) if row["violations"] else None,
        )
        for row in answers["checks"]
    ]
    order = [check["name"] for check in facts["checks"]]
    checks.sort(key=lambda check: (check.checked_at, order.index(check.name) if check.name in order else len(order)))
    sizes = [(row["run_id"], row["table_name"], int(row["records"])) for row in answers["sizes"]]
    days = [(int(row["day"]), int(row["registered"]), int(row["agreed"])) for row in answers["consent"]]
    covered, readings = (
        [(int(row["number"]), int(row["customers"])) for row in answers["coverage"] if row["figure"] == figure]
        for figure in ("covered", "readings")
    )
    costs = [figures.Cost(**cost) for cost in facts["costs"]]
    first = answers["customer_trusted"]
    total = sum(row.records for row in audit if (row.source, row.outcome) == ("customer_trusted", "written"))
    drawings = {
        "flow": lambda width: figures.flow(audit, width),
        "history": lambda width: figures.history(checks, sizes, width),
        "consent": lambda width: figures.consent(days, width),
        "coverage": lambda width: figures.coverage(covered, readings, width),
        "cost": lambda width: figures.cost(costs, facts["scanned"], width),
        "customer_trusted": lambda width: figures.table(
            "customer_trusted", total, list(first[0]), [list(row.values()) for row in first], width
        ),
    }
    known = {"flow": audit, "history": checks, "consent": days, "coverage": readings, "customer_trusted": first}
    return {name: draw for name, draw in drawings.items() if known.get(name, True)}
