"""Executes one run of a DAG, in a process of its own that ``dev.run`` starts and follows.

``python -m dev.dag_run DAG_ID CONF DESCRIPTOR``, with the run's conf as JSON, writes what happens to the file
descriptor, one JSON object a line. First ``{"event": "loaded"}``, or instead of it ``{"event": "import_error",
"message"}`` or ``{"event": "invalid_parameter", "name", "message"}``; then ``{"event": "ready"}``. A line on standard
input starts the run: ``{"event": "running", "run_id", "task_id", "try_number"}``; ``{"event": "finished", "task_id",
"try_number", "state", "started", "seconds", "result", "reason", "log"}``, also for an attempt that will be retried;
``{"event": "end", "run_id", "state", "tasks": [{"task_id", "state", "started", "seconds", "attempts"}]}``, where
``started`` is in seconds since 1970. SIGINT, or the end of standard input, stops the run.
"""

import copy
import gc
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

from airflow.dag_processing.dagbag import BundleDagBag
from airflow.listeners import hookimpl
from airflow.sdk import DAG
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import ParamValidationError
from airflow.sdk.execution_time.supervisor import InProcessTestSupervisor
from airflow.sdk.listener import get_listener_manager

from dev import fast_airflow
from dev.lake import stop_run_queries

EXIT_STOPPED = 130


class _Events:
    """A listener of Airflow: reports tasks, and sends what each of them prints and logs to that task's log file."""

    def __init__(self, descriptor: int) -> None:
        self.pipe = os.fdopen(descriptor, "w", buffering=1)
        self.run_log = os.dup(1)
        self.log: Path | None = None
        self.task: Any = None

    def send(self, event: str, **details: Any) -> None:
        self.pipe.write(json.dumps({"event": event, **details}, default=str) + "\n")

    @hookimpl
    def on_task_instance_running(self, previous_state: Any, task_instance: Any) -> None:
        ti = task_instance
        self.task = ti.task
        # Where Airflow's UI looks for it.
        attempt = f"dag_id={ti.dag_id}/run_id={ti.run_id}/task_id={ti.task_id}/attempt={ti.try_number}.log"
        self.log = Path(conf.get("logging", "base_log_folder")) / attempt
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            _log_to(log.fileno())
        self.send("running", run_id=ti.run_id, task_id=ti.task_id, try_number=ti.try_number)

    @hookimpl
    def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:
        self._finished(task_instance, None)

    @hookimpl
    def on_task_instance_skipped(self, previous_state: Any, task_instance: Any) -> None:
        self._finished(task_instance, None)

    @hookimpl
    def on_task_instance_failed(
        self, previous_state: Any, task_instance: Any, error: BaseException | str | None
    ) -> None:
        self._finished(task_instance, error)

    def _finished(self, ti: Any, error: BaseException | str | None) -> None:
        self.send(
            "finished",
            task_id=ti.task_id,
            try_number=ti.try_number,
            state=ti.state,
            started=_started(ti),
            seconds=(ti.end_date - ti.start_date).total_seconds() if ti.end_date else None,
            result=ti.xcom_pull(task_ids=ti.task_id),
            reason=None if error is None else _reason(ti.task, error),
            log=self.log,
        )
        self.task = self.log = None
        _log_to(self.run_log)


def _started(ti: Any) -> float | None:
    return ti.start_date.timestamp() if ti.start_date else None


def _log_to(descriptor: int) -> None:
    # On the level of file descriptors, since loggers, warnings and prints have long taken hold of the streams.
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)


def _reason(task: Any, error: BaseException | str) -> str:
    """Why a task failed: in Athena's own words where it was theirs, else in the exception's."""
    try:
        if getattr(task, "query_execution_id", None):
            reason = task.hook.get_state_change_reason(task.query_execution_id)
        else:
            reason = None
    except Exception as unreachable:
        reason = f"{error} (asking for the reason failed: {unreachable})"
    return reason or str(error) or type(error).__name__


def _stop_on_signal_or_orphaned(events: _Events) -> None:
    def stop(*_: object) -> NoReturn:
        # Not by an exception: a task that is up for a retry would take it for one more failure.
        try:
            if events.task is not None:
                events.task.on_kill()
            stop_run_queries()
        finally:
            os._exit(EXIT_STOPPED)

    def wait_for_end_of_input() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    # Airflow replaces the handler of SIGTERM for each task, and leaves this one alone.
    signal.signal(signal.SIGINT, stop)
    threading.Thread(target=wait_for_end_of_input, daemon=True).start()


def _invalid_parameter(dag: DAG, run_conf: dict[str, Any]) -> tuple[str, str] | None:
    """The first parameter that the DAG does not accept, and why."""
    params = copy.deepcopy(dag.params)
    for name, value in run_conf.items():
        try:
            params[name] = value
        except ParamValidationError as error:
            # "Invalid input for param max_lost: 5 is greater than the maximum of 1", and then the whole schema.
            return name, str(error).splitlines()[0].removeprefix(f"Invalid input for param {name}: ")
    return None


def main() -> int:
    """Runs the DAG once, and ends the process; returns the exit code where it could not start."""
    dag_id, run_conf, descriptor = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
    # What the start makes stays: to look for garbage in it takes a tenth of the start.
    gc.disable()
    fast_airflow.apply()
    events = _Events(descriptor)
    get_listener_manager().add_listener(events)

    folder = Path(conf.get("core", "dags_folder"))
    bag = BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder")
    if dag_id not in bag.dags:
        reasons = [trace.strip().splitlines()[-1] for trace in bag.import_errors.values()]
        events.send("import_error", message="; ".join(reasons) or f"no such DAG in {folder}")
        return 1
    dag = bag.dags[dag_id]
    if invalid := _invalid_parameter(dag, run_conf):
        events.send("invalid_parameter", name=invalid[0], message=invalid[1])
        return 1
    events.send("loaded")

    # The API that tasks report to needs seconds for its first answer, which would count as the first task's.
    InProcessTestSupervisor._api_client().get("health")
    gc.freeze()
    gc.enable()
    events.send("ready")
    if not sys.stdin.readline():
        return EXIT_STOPPED
    _stop_on_signal_or_orphaned(events)
    run = dag.test(run_conf=run_conf)
    tasks = [
        {
            "task_id": ti.task_id,
            "state": ti.state,
            "started": _started(ti),
            "seconds": ti.duration,
            "attempts": ti.try_number,
        }
        for ti in sorted(run.get_task_instances(), key=lambda ti: (ti.start_date is None, ti.start_date or ti.task_id))
    ]
    events.send("end", run_id=run.run_id, state=run.state, tasks=tasks)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    # Python would first take apart all that Airflow has loaded, which takes a second. Nothing is left to be saved.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
