"""What a run has come to: printed for people, and as ``summary.json`` for programs."""

import contextlib
import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from dev.lake import run_workgroup
from dev.query import QueryError, ask, count_rows
from dev.settings import display_path, lakehouse_settings, local_root
from dev.terminal import print_line, print_table
from stedi.tables import JOBS, LANDING_TABLES

#: In the order of the data flow.
TABLES = (*LANDING_TABLES, *JOBS)
OWNER_KNOWN = ("website_confirmed", "readings", "website")
OWNER_UNKNOWN = ("owner_ambiguous", "owner_unknown")

#: Where the time of a run goes, beside its tasks.
START = "start of Airflow, emptying the lake"
BETWEEN_TASKS = "Airflow between the tasks"
SUMMARY = "counting what came out"
#: Small tasks that the summary takes together.
STEPS = {
    "upload_landing": "upload",
    "upload_code": "upload",
    "delete_old_handovers": "upload",
    "create_tables": "tables",
    "base_snapshots": "tables",
    "published": "publish",
    "publish_report": "report",
}

#: {(source, figure): value}
Figures = Counter[tuple[str, str]]


@dataclass
class Outcome:
    """What is known about a run so far."""

    #: By the monotonic clock.
    started: float = field(default_factory=time.monotonic)
    run_id: str | None = None
    state: str = "failed"
    tasks: list[dict[str, Any]] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)
    failures: list[dict[str, Any]] = field(default_factory=list)
    #: {table: its rows} of those that the run has staged.
    rows: dict[str, int | None] = field(default_factory=dict)
    #: {step: its seconds}, in the order of the run; together they are all of its time up to the last lap.
    spent: dict[str, float] = field(default_factory=dict)

    def lap(self, step: str) -> None:
        """Books on ``step`` the time that is booked on nothing yet."""
        self._spend(step, max(0.0, time.monotonic() - self.started - sum(self.spent.values())))

    def spend_on_task(self, task_id: str, seconds: float) -> None:
        self._spend("checks" if task_id.startswith("checks.") else STEPS.get(task_id, task_id), seconds)

    def _spend(self, step: str, seconds: float) -> None:
        self.spent[step] = self.spent.get(step, 0.0) + seconds

    def checks(self) -> list[dict[str, Any]]:
        return [
            {
                "check": task["task_id"].removeprefix("checks."),
                "state": task["state"],
                "violations": (self.results.get(task["task_id"]) or {}).get("violations"),
                "figures": (self.results.get(task["task_id"]) or {}).get("figures") or {},
            }
            for task in self.tasks
            if task["task_id"].startswith("checks.")
        ]


def report(outcome: Outcome, console: Console) -> None:
    """Writes ``summary.json``, fetches the report that the run has published, and prints what came out."""
    checks = outcome.checks()
    # What the run has staged is what readers see once it is published.
    known = outcome.rows if outcome.state == "success" else {}
    tables = dict.fromkeys(TABLES) | known
    with ThreadPoolExecutor(1) as meanwhile:
        asked = meanwhile.submit(_figures, outcome.run_id)
        with contextlib.suppress(BotoCoreError, ClientError):  # the local AWS may be what failed
            tables |= count_rows([table for table in TABLES if table not in known], run_workgroup())
        figures = asked.result()
    page = _fetch_report(outcome.run_id) if outcome.run_id and outcome.results.get("publish_report") else None
    outcome.lap(SUMMARY)
    seconds = sum(outcome.spent.values())
    summary = {
        "run_id": outcome.run_id,
        "state": outcome.state,
        "seconds": round(seconds, 1),
        "spent": {step: round(spent, 2) for step, spent in outcome.spent.items()},
        "tables": tables,
        "tasks": outcome.tasks,
        "failures": [
            {"task_id": failure["task_id"], "reason": first_line(failure["reason"])} for failure in outcome.failures
        ],
        "checks": checks,
    }
    path = local_root() / "summary.json"
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(summary, indent=2) + "\n")
    draft.replace(path)

    console.print()
    succeeded = outcome.state == "success"
    how = f"Run {'succeeded' if succeeded else 'failed'} in {seconds:.0f} s"
    if checks:
        how += f"; {sum(check['state'] == 'success' for check in checks)} of {len(checks)} checks passed"
    print_line(console, f"{how}.", style="green" if succeeded else "red")
    for failure in outcome.failures:
        print_line(console, f"{failure['task_id']} failed: {first_line(failure['reason'])}", style="red")
        print_line(console, f"  log: {failure['log']}")
    publishing = next((task["state"] for task in outcome.tasks if task["task_id"] == "publish"), None)
    if publishing == "failed":
        print_line(console, "Publishing may have ended half-way; clear the task publish, or run again.")
    elif outcome.failures and outcome.rows and publishing != "success":
        print_line(console, "Nothing was published. What this run has staged:")
        print_line(console, f'  make query RUN={outcome.run_id} SQL="select * from {next(iter(outcome.rows))} limit 5"')
    rows = [(name, format_count(count)) for name, count in tables.items()]
    print_table(console, ("table", "rows"), rows, right=(False, True))
    for line in _summary_lines(figures, outcome.results.get("upload_landing") or {}):
        print_line(console, line)
    if page:
        print_line(console, f"Report: {display_path(page)}")
    print_line(console, f"Summary as JSON: {display_path(path)}")
    if succeeded:
        print_line(console, 'Next: make query SQL="select * from machine_learning_curated limit 10", or make ui')
    shares = [
        (step, f"{spent:.1f}", f"{spent / seconds:.0%}" if seconds else "-") for step, spent in outcome.spent.items()
    ]
    print_table(console, ("where the time went", "seconds", "share"), shares, right=(False, True, True))


def first_line(reason: str) -> str:
    """The first line of an error that says anything."""
    return next((line.strip() for line in reason.splitlines() if line.strip()), "no reason given")


def format_count(rows: int | None) -> str:
    return "-" if rows is None else f"{rows:,}"


def staged_rows(run_id: str, table: str) -> int | None:
    """How many rows a job has staged of its table, by its own count."""
    sql = f"SELECT value FROM job_figures WHERE run_id = '{run_id}' AND source = '{table}' AND figure = 'written'"
    with contextlib.suppress(QueryError, BotoCoreError):
        for (value,) in ask(sql, run_workgroup())[1]:
            return int(value or 0)
    return None


def _figures(run_id: str | None) -> Figures:
    """What the jobs counted in a run; empty where there are no such tables yet."""
    figures: Figures = Counter()
    sql = f"""
        SELECT source, figure, value FROM job_figures WHERE run_id = '{run_id}'
        UNION ALL
        SELECT source, outcome, records FROM job_audit WHERE run_id = '{run_id}' AND outcome = 'rejected'
    """
    with contextlib.suppress(QueryError, BotoCoreError):
        for source, figure, value in ask(sql, run_workgroup())[1]:
            figures[str(source), str(figure)] += int(value or 0)
    return figures


def _summary_lines(figures: Figures, uploaded: dict[str, dict[str, int]]) -> Iterator[str]:
    """What became of the delivered records, and of the devices, in a line each."""
    for source in LANDING_TABLES:
        if uploaded.get(source, {}).get("files", 1) == 0:
            yield f"{source}: the delivery has no files for it"
        if (source, "read") in figures:
            read, rejected, repaired = (figures[source, figure] for figure in ("read", "rejected", "repaired"))
            hint = "; see landing_quarantine" if rejected else ""
            yield f"{source}: {read:,} records read, {rejected:,} rejected, {repaired:,} repaired{hint}"
    confirmed, corrected, website = (figures["device_owners", figure] for figure in OWNER_KNOWN)
    unknown = sum(figures["device_owners", figure] for figure in OWNER_UNKNOWN)
    if devices := confirmed + corrected + website + unknown:
        yield (
            f"Owners of {devices:,} devices: {confirmed:,} confirmed by the readings, {corrected:,} corrected by the "
            f"readings, {website:,} taken from the website, {unknown:,} unknown"
        )


def _fetch_report(run_id: str) -> Path:
    """Copies what the run published to ``report/`` in the local state, in place of an earlier run's; gives the page."""
    s3, bucket, prefix = boto3.client("s3"), lakehouse_settings().bucket, f"reports/{run_id}/"
    new, report = local_root() / "report.new", local_root() / "report"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]:
        s3.download_file(bucket, item["Key"], str(new / item["Key"].removeprefix(prefix)))
    shutil.rmtree(report, ignore_errors=True)
    new.rename(report)
    return report / "index.html"
