"""``make run``, ``make maintain``: one run of a DAG with its real operators against the local AWS, and its progress."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError
from rich import box
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from dev import PROJECT, airflow_home
from dev.locks import Lock
from dev.query import Athena, QueryError
from dev.settings import CommandError, lakehouse_settings, local_aws, local_root
from local_aws import service
from stedi.tables import JOBS, LANDING_TABLES, SOURCES

CONSENT_POLICIES = ("customer", "reading_time")
MATCH_ON = ("customer_and_time", "time")
MOST_HOURS = 8760  # of the maintenance's params
LANDING_ZONES = tuple(SOURCES)
#: In the order of the data's way.
TABLES = (*LANDING_TABLES, *JOBS)
#: What a task at work gets to stop its Glue job run, in seconds.
STOP_SECONDS = 30


def run_lock() -> Lock:
    """Whoever holds it has the lake to itself."""
    return Lock(local_root() / "run.lock")


def ui_lock() -> Lock:
    """Held for as long as the UI and its scheduler run."""
    return Lock(local_root() / "ui.lock")


def start_local_aws() -> None:
    """Starts the local AWS unless it runs, with the bucket and the role that the lakehouse needs."""
    settings = lakehouse_settings()
    role = settings.glue_role_arn.rpartition("/")[2]
    service.start(local_aws(), bucket=settings.bucket, role=role)


def run_conf(
    landing: str | None, consent_policy: str | None, match_on: str | None, **shares: str | None
) -> dict[str, Any]:
    """The DAG's params for this run; raises ``CommandError`` for a value that cannot work."""
    conf = {}
    if landing:
        conf["landing"] = landing_source(landing)
    for name, value, allowed in (
        ("consent_policy", consent_policy, CONSENT_POLICIES),
        ("match_on", match_on, MATCH_ON),
    ):
        if value and value not in allowed:
            raise CommandError(f"{name.upper()} is {value!r}; it can be {' or '.join(allowed)}")
        if value:
            conf[name] = value
    for name, value in shares.items():
        if value:
            conf[name] = _share(name.upper(), value)
    return conf


def _share(name: str, value: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= (share := float(value)) <= 1:
            return share
    raise CommandError(f"{name} is {value!r}; it must be a share, from 0 to 1")


def landing_source(landing: str) -> str:
    """An ``s3://`` prefix as it is, or the full path of a landing directory; raises ``CommandError`` if it is none."""
    if landing.startswith("s3://"):
        return landing
    directory = Path(landing).expanduser()
    if not directory.is_dir():
        raise CommandError(f"LANDING is {landing!r}; there is no such directory")
    missing = [f"{zone}/" for zone in LANDING_ZONES if not (directory / zone).is_dir()]
    if missing:
        raise CommandError(f"LANDING is {landing!r}; it lacks {', '.join(missing)}")
    return str(directory.resolve())


def run(
    landing: str | None, consent_policy: str | None, match_on: str | None, *, keep: bool, **shares: str | None
) -> int:
    """Runs the lakehouse once and reports it on standard output, in ``summary.json`` and ``report/``; returns the exit
    code.

    landing: a directory or an ``s3://`` prefix; keep: deliver into the lake that is there, instead of an empty one;
    shares: the DAG's params that are a share, ``max_refused`` and ``max_lost``.
    """
    return _run(airflow_home.DAG_ID, run_conf(landing, consent_policy, match_on, **shares), keep=keep)


def maintain(snapshot_hours: str | None, orphan_hours: str | None) -> int:
    """Runs the maintenance once on the lake that is there, and reports it likewise; returns the exit code."""
    conf = {}
    for name, hours in (("snapshot_hours", snapshot_hours), ("orphan_hours", orphan_hours)):
        if hours and not (hours.isdecimal() and int(hours) <= MOST_HOURS):
            raise CommandError(f"{name.upper()} is {hours!r}; it must be a whole number of hours, 0 to {MOST_HOURS}")
        if hours:
            conf[name] = int(hours)
    return _run(airflow_home.MAINTENANCE_DAG_ID, conf, keep=True)


def _run(dag_id: str, conf: dict[str, Any], *, keep: bool) -> int:
    started = time.monotonic()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    refusal = CommandError("another run is at work on this lake; wait for its end, or end it with `make stop`")
    with run_lock().acquired(refusal) as lock:
        progress = _Progress()
        outcome = _Outcome()
        try:
            with progress, _lake_to_itself(progress):
                _follow(dag_id, conf, keep, lock, progress, outcome)
        except KeyboardInterrupt:
            outcome.state = "failed"
            progress.console.print("stopped", style="red")
            exit_code = 130
        else:
            exit_code = 0 if outcome.state == "success" else 1
        finally:
            if outcome.run_id:
                outcome.report(progress.console, started)
    return exit_code


@dataclass
class _Outcome:
    """What is known about the run so far."""

    run_id: str | None = None
    state: str = "failed"
    tasks: list[dict[str, Any]] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)
    failures: list[dict[str, Any]] = field(default_factory=list)

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

    def report(self, console: Console, started: float) -> None:
        tables = Athena().count_rows(TABLES)
        seconds = time.monotonic() - started
        checks = self.checks()
        audit = _audit(self.run_id)
        summary = {
            "run_id": self.run_id,
            "state": self.state,
            "seconds": round(seconds, 1),
            "tables": tables,
            "tasks": self.tasks,
            "checks": checks,
        }
        path = local_root() / "summary.json"
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(summary, indent=2) + "\n")
        draft.replace(path)
        report = _fetch_report(self.run_id) if self.results.get("publish_report") else None

        console.print()
        console.print(_table("table", "rows", rows=[(name, _count(rows)) for name, rows in tables.items()]))
        if checks:
            rows = [
                (check["check"], check["state"], _count(check["violations"]), _figures(check["figures"]))
                for check in checks
            ]
            console.print(_table("check", "state", "violations", "figures", rows=rows))
        for line in _told(audit):
            _print(console, line)
        for failure in self.failures:
            _print(console, f"{failure['task_id']} failed: {_sentence(failure['reason'])}", style="red")
            _print(console, f"  its log: {failure['log']}")
        if report:
            _print(console, f"the report, to look at: {shown(report)}")
        _print(console, f"{self.state} in {seconds:.0f} s; the same as JSON: {shown(path)}")
        _print(console, 'look further: make query SQL="select * from machine_learning_curated limit 10", or make ui')


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


def _audit(run_id: str) -> Counter:
    """{(source, outcome): records} of what the jobs judged in a run; empty where there is no such table yet."""
    athena, found = Athena(), Counter()
    with contextlib.suppress(QueryError, BotoCoreError):
        query = athena.start(f"SELECT source, outcome, records FROM job_audit WHERE run_id = '{run_id}'")
        athena.wait(query)
        for source, outcome, records in athena.result(query)[1]:
            found[source, outcome] += int(records)
    return found


def _told(audit: Counter) -> Iterator[str]:
    """What became of the delivered records, and of the devices, in a line each."""
    for source in (source for source in TABLES if (source, "lines") in audit):
        read, refused, repaired = (audit[source, outcome] for outcome in ("read", "refused", "repaired"))
        look = "; see landing_quarantine" if refused else ""
        yield f"{source}: {read:,} records read, {refused:,} of them refused, {repaired:,} repaired{look}"
    if devices := audit["device_owners", "read"]:
        how = [audit["device_owners", source] for source in ("website_confirmed", "readings", "website")]
        confirmed, corrected, website = how
        yield (
            f"{devices:,} devices: the readings confirm the website on {confirmed:,} and correct it on {corrected:,}, "
            f"{website:,} are on the website's word alone, {devices - sum(how):,} have no known owner"
        )


class _Progress:
    """One line for each task that has finished and, on a terminal, one for what is at work."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        if not self.console.is_terminal:
            self.console.width = 1_000_000
        self.line = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )

    def __enter__(self) -> "_Progress":
        self.line.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.line.stop()

    def at_work(self, what: str) -> None:
        for task in self.line.task_ids:
            self.line.remove_task(task)
        self.line.add_task(what, total=None)

    def finished(self, task_id: str, state: str, seconds: float | None, details: str) -> None:
        took = "" if seconds is None else f"{seconds:.1f} s"
        style = {"success": None, "up_for_retry": "yellow"}.get(state, "red")
        _print(self.console, f"{task_id:<43} {state:<13} {took:>8}  {details}".rstrip(), style=style)


@contextlib.contextmanager
def _lake_to_itself(progress: _Progress) -> Iterator[None]:
    """Keeps Airflow's scheduler away from the DAGs, if one runs, and leaves no run "running" behind."""
    progress.at_work("preparing Airflow")
    airflow_home.prepare()
    scheduler_runs = ui_lock().is_held()
    # A run that an earlier command was killed in would wait for its end for ever.
    airflow_home.fail_abandoned_runs(only_of_make_run=scheduler_runs)
    try:
        # A scheduler would execute the tasks of this run too.
        airflow_home.pause(scheduler_runs)
        if active := airflow_home.active_runs():
            raise CommandError(f"the run {active[0]} is active in the Airflow UI; wait for its end, or mark it failed")
        yield
    finally:
        airflow_home.fail_abandoned_runs(only_of_make_run=True)
        airflow_home.pause(False)


def _follow(dag_id: str, conf: dict[str, Any], keep: bool, lock: int, progress: _Progress, outcome: _Outcome) -> None:
    """Starts the DAG's run in a child process, and shows what it tells until its end."""
    log = airflow_home.logs() / "make_run.log"
    aws = local_aws()
    settings = lakehouse_settings()
    with _child(dag_id, log, lock) as (child, events):
        # Airflow takes seconds to load: meanwhile, the local AWS starts.
        progress.at_work("starting the local AWS and Airflow")
        start_local_aws()
        ready = next(events, {"event": "died"})
        if ready["event"] == "import_error":
            raise CommandError(f"the DAG cannot be loaded: {_sentence(ready['message'])}; see {shown(log)}")
        if ready["event"] != "ready":
            raise CommandError(f"Airflow did not start; see {shown(log)}")
        if not keep:
            progress.at_work("emptying the lake")
            service.reset_lake(aws, settings.bucket, settings.database)
        _print(progress.console, f"Airflow's log: {shown(log)}; Spark's: {shown(aws.state)}/…")
        progress.at_work("starting the run")
        child.stdin.write(json.dumps(conf) + "\n")
        child.stdin.flush()
        athena = Athena()
        for event in events:
            _show(event, progress, outcome, athena)
    if outcome.state not in ("success", "failed") or not outcome.tasks:
        outcome.state = "failed"
        raise CommandError(f"the run ended before its time; see {shown(log)}")


@contextlib.contextmanager
def _child(dag_id: str, log: Path, lock: int) -> Iterator[tuple[subprocess.Popen, Iterator[dict]]]:
    """The process that executes the DAG, which ends, with the Glue job run at work, when this block is left."""
    reader, writer = os.pipe()
    with log.open("w") as output, os.fdopen(reader) as lines:
        child = subprocess.Popen(
            [sys.executable, "-m", "dev.dag_run", dag_id, str(writer)],
            cwd=PROJECT,
            env=airflow_home.environment(),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            text=True,
            # The lock stays with the child for as long as it cleans up, even when this process has been killed.
            pass_fds=(writer, lock),
            # A Ctrl-C is for this process, which then tells the child.
            start_new_session=True,
        )
        os.close(writer)
        run_lock().record(os.getpid(), child.pid)
        try:
            yield child, (json.loads(line) for line in lines)
            child.wait()
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGINT)
                try:
                    child.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()


def _show(event: dict, progress: _Progress, outcome: _Outcome, athena: Athena) -> None:
    if event["event"] == "running":
        outcome.run_id = event["run_id"]
        attempt = f" (attempt {event['try_number']})" if event["try_number"] > 1 else ""
        progress.at_work(event["task_id"] + attempt)
    elif event["event"] == "finished":
        task_id, state = event["task_id"], event["state"]
        outcome.results[task_id] = event["result"] if isinstance(event["result"], dict) else None
        if event["reason"] is not None:
            details = _sentence(event["reason"])
            event["log"] = shown(Path(event["log"] or airflow_home.logs() / "make_run.log"))
            if state == "failed":
                outcome.failures.append(event)
        elif task_id in TABLES:
            details = f"{_count(athena.count_rows([task_id])[task_id])} rows"
        else:
            details = _figures(outcome.results[task_id] or {})
        outcome.tasks = [task for task in outcome.tasks if task["task_id"] != task_id]
        outcome.tasks.append({"task_id": task_id, "state": state, "seconds": event["seconds"]})
        progress.finished(task_id, state, event["seconds"], details)
        if task_id == airflow_home.MAINTENANCE_DAG_ID and state == "success":
            for line in _printed(event["result"]):
                _print(progress.console, f"  {line}")
        progress.at_work("waiting for the next task")
    elif event["event"] == "end":
        outcome.run_id, outcome.state, outcome.tasks = event["run_id"], event["state"], event["tasks"]
        for task in outcome.tasks:
            if task["state"] == "upstream_failed":
                progress.finished(task["task_id"], task["state"], None, "")


def _printed(glue_run_id: str) -> list[str]:
    """What a Glue job has printed."""
    request = {"logGroupName": "/aws-glue/jobs/output", "logStreamNames": [glue_run_id]}
    return [event["message"] for event in boto3.client("logs").filter_log_events(**request)["events"]]


def _table(*columns: str, rows: list[tuple[str, ...]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for index, column in enumerate(columns):
        justify = "right" if column in ("rows", "violations") else "left"
        table.add_column(column, justify=justify, overflow="fold", no_wrap=index == 0)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _count(rows: int | None) -> str:
    return "-" if rows is None else f"{rows:,}"


def _figures(result: dict[str, Any]) -> str:
    """``files 12, sent 3``: the numbers of a task's result; those of one name in its parts are added up."""
    sums: dict[str, float] = {}

    def add(part: dict[str, Any]) -> None:
        for name, value in part.items():
            if isinstance(value, dict):
                add(value)
            elif isinstance(value, int | float):
                sums[name] = sums.get(name, 0) + value

    add(result)
    return ", ".join(f"{name} {value:,}" for name, value in sums.items())


def _sentence(reason: str) -> str:
    return next((line.strip() for line in reason.splitlines() if line.strip()), "for no reason given")


def shown(path: Path) -> str:
    """A path as a user in the project's directory would type it."""
    return str(path.relative_to(PROJECT)) if path.is_relative_to(PROJECT) else str(path)


def _print(console: Console, line: str, style: str | None = None) -> None:
    console.print(Text(line, style=style or ""), soft_wrap=True)
