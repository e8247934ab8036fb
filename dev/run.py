"""``make run``, ``make maintain``: one run of a DAG with its real operators against the local AWS, and its progress."""

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from dev import PROJECT, airflow_home, lake, summary
from dev.locks import run_lock, ui_lock
from dev.settings import CommandError, display_path, landing_source, local_aws
from dev.summary import Outcome, first_line, format_count
from dev.terminal import ProgressLine, print_line

#: What a running task gets to stop its Glue job run, in seconds.
STOP_SECONDS = 30

Event = dict[str, Any]


def run_conf(parameters: dict[str, str | None]) -> dict[str, Any]:
    """The DAG's parameters out of what the user typed; the DAG itself says which values it accepts.

    Raises ``CommandError`` for a landing directory that is not there.
    """
    given = {name: value for name, value in parameters.items() if value}
    return {name: landing_source(value) if name == "landing" else _value(value) for name, value in given.items()}


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            if math.isfinite(number := kind(text)):
                return number
    return text


def run(dag_id: str, conf: dict[str, Any], *, keep: bool) -> int:
    """Runs a DAG once and reports it on standard output, in ``summary.json`` and ``report/``; returns the exit code.

    keep: the lake stays as it is, and is not emptied before.
    """
    started = time.monotonic()
    on_conflict = CommandError("another run uses this lake; wait for it, or end it with `make stop`")
    with run_lock().acquired(on_conflict) as lock:
        progress = _Progress()
        outcome = Outcome(started)
        try:
            with progress, _lake_to_itself(progress):
                _follow(dag_id, conf, keep, lock, progress, outcome)
        except KeyboardInterrupt:
            outcome.state = "failed"
            print_line(progress.console, "stopped", style="red")
            return 130
        finally:
            if outcome.run_id:
                outcome.lap(summary.BETWEEN_TASKS)
                summary.report(outcome, progress.console)
    return 0 if outcome.state == "success" else 1


class _Progress(ProgressLine):
    """Prints a line for each task that has finished, too."""

    def finished(self, task_id: str, state: str, seconds: float | None, details: str) -> None:
        took = "" if seconds is None else f"{seconds:.1f} s"
        style = {"success": None, "up_for_retry": "yellow"}.get(state, "red")
        print_line(self.console, f"{task_id:<43} {state:<13} {took:>8}  {details}".rstrip(), style=style)


@contextlib.contextmanager
def _lake_to_itself(progress: _Progress) -> Iterator[None]:
    """Keeps Airflow's scheduler away from the DAGs, if one runs, and leaves no run "running" behind."""
    progress.now("preparing Airflow")
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


def _follow(dag_id: str, conf: dict[str, Any], keep: bool, lock: int, progress: _Progress, outcome: Outcome) -> None:
    """Starts the DAG's run in a child process, and shows what it sends until its end."""
    log = airflow_home.logs() / "make_run.log"
    with _child(dag_id, conf, log, lock) as (child, events):
        progress.now("loading the DAG")
        _expect("loaded", events, log)
        # Airflow takes some seconds more: meanwhile, the local AWS starts.
        progress.now("starting the local AWS and Airflow")
        lake.start_local_aws()
        lake.stop_run_queries()
        if not keep:
            lake.reset()
        _expect("ready", events, log)
        outcome.lap(summary.START)
        logs = f"Logs: {display_path(log)} (Airflow), {display_path(local_aws().state)} (local AWS)"
        print_line(progress.console, logs)
        progress.now("starting the run")
        assert child.stdin
        child.stdin.write("start\n")
        child.stdin.flush()
        for event in events:
            _handle_event(event, progress, outcome)
    if outcome.state not in ("success", "failed") or not outcome.tasks:
        outcome.state = "failed"
        raise CommandError(f"the run ended too early; see {display_path(log)}")


def _expect(name: str, events: Iterator[Event], log: Path) -> None:
    """Waits for an event of this name; raises ``CommandError`` where another comes, or none."""
    match next(events, None):
        case {"event": event} if event == name:
            return
        case {"event": "import_error", "message": message}:
            raise CommandError(f"the DAG cannot be loaded: {first_line(message)}; see {display_path(log)}")
        case {"event": "invalid_parameter", "name": parameter, "message": message}:
            raise CommandError(f"{parameter.upper()}: {message}")
    raise CommandError(f"Airflow did not start; see {display_path(log)}")


@contextlib.contextmanager
def _child(
    dag_id: str, conf: dict[str, Any], log: Path, lock: int
) -> Iterator[tuple[subprocess.Popen[str], Iterator[Event]]]:
    """The process that executes the DAG. When this block is left it ends, with its Glue job run and its queries."""
    reader, writer = os.pipe()
    with log.open("w") as output, os.fdopen(reader) as lines:
        child = subprocess.Popen(
            [sys.executable, "-m", "dev.dag_run", dag_id, json.dumps(conf), str(writer)],
            cwd=PROJECT,
            env=airflow_home.environment() | {"STEDI_ATHENA_WORKGROUP": lake.run_workgroup()},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            text=True,
            # The lock stays with the child for as long as it cleans up, even when this process has been killed.
            pass_fds=(writer, lock),
            # A Ctrl-C is for this process, which then stops the child.
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
            # Where the child itself was killed. Without a local AWS there are none.
            with contextlib.suppress(BotoCoreError, ClientError):
                lake.stop_run_queries()


def _handle_event(event: Event, progress: _Progress, outcome: Outcome) -> None:
    if event["event"] == "running":
        outcome.run_id = event["run_id"]
        attempt = f" (attempt {event['try_number']})" if event["try_number"] > 1 else ""
        progress.now(event["task_id"] + attempt)
    elif event["event"] == "finished":
        task_id, state = event["task_id"], event["state"]
        outcome.results[task_id] = event["result"] if isinstance(event["result"], dict) else None
        if event["reason"] is not None:
            details = first_line(event["reason"])
            event["log"] = display_path(Path(event["log"] or airflow_home.logs() / "make_run.log"))
            if state == "failed":
                outcome.failures.append(event)
        elif task_id in summary.TABLES:
            outcome.rows[task_id] = rows = summary.staged_rows(outcome.run_id or "", task_id)
            details = f"{format_count(rows)} rows staged"
        else:
            details = _format_numbers(outcome.results[task_id] or {})
        outcome.tasks = [task for task in outcome.tasks if task["task_id"] != task_id]
        outcome.tasks.append(
            {name: event[name] for name in ("task_id", "state", "started", "seconds")}
            | {"attempts": event["try_number"]}
        )
        outcome.spend_on_task(task_id, event["seconds"] or 0)
        progress.finished(task_id, state, event["seconds"], details)
        if task_id == airflow_home.MAINTENANCE_DAG_ID and state == "success":
            for line in _job_output(event["result"]):
                print_line(progress.console, f"  {line}")
        progress.now("waiting for the next task")
    elif event["event"] == "end":
        outcome.run_id, outcome.state, outcome.tasks = event["run_id"], event["state"], event["tasks"]
        for task in outcome.tasks:
            if task["state"] == "upstream_failed":
                progress.finished(task["task_id"], task["state"], None, "")


def _job_output(glue_run_id: str) -> list[str]:
    """What a Glue job has printed."""
    request = {"logGroupName": "/aws-glue/jobs/output", "logStreamNames": [glue_run_id]}
    return [event["message"] for event in boto3.client("logs").filter_log_events(**request)["events"]]


def _format_numbers(result: dict[str, Any]) -> str:
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
