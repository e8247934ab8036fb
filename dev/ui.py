"""``make ui``: Airflow's UI with its scheduler and its DAG processor on 127.0.0.1, with the local AWS behind it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

from dev import PROJECT, airflow_home
from dev.lake import start_local_aws
from dev.locks import run_lock, ui_lock
from dev.settings import CommandError, display_path, landing_source, local_aws
from dev.terminal import new_console, print_line
from local_aws import service

#: Only the API server listens: the others' servers for logs and for health are left off.
COMPONENTS = {
    "api-server": ["api-server", "--workers", "1"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
}
HEALTHY_SECONDS = 120
#: What running tasks get to stop their Glue job runs and queries, in seconds.
STOP_SECONDS = 20


def serve(port: int, landing: str | None) -> int:
    """Serves until Ctrl-C, SIGTERM or the end of one of Airflow's processes; returns the exit code.

    landing: what the form for a new run proposes, and what a scheduled run delivers.
    """
    if landing:
        os.environ["STEDI_LANDING"] = landing_source(landing)
    console = new_console()
    on_conflict = CommandError("the UI is already running; end it with `make stop`")
    with contextlib.ExitStack() as stack:
        lock = stack.enter_context(ui_lock().acquired(on_conflict))
        if run_lock().is_held():
            raise CommandError("`make run` is running; start the UI when it has ended")
        _require_free_port(port)
        try:
            with console.status("starting the local AWS and Airflow"):
                airflow_home.prepare()
                airflow_home.fail_abandoned_runs(only_of_make_run=False)
                airflow_home.pause(False)
                stack.enter_context(_local_aws())
                processes = stack.enter_context(_airflow(port, lock))
                _wait_until_healthy(port, processes)
            print_line(console, f"Airflow: http://127.0.0.1:{port}/dags/{airflow_home.DAG_ID}")
            print_line(
                console, f"Logs: {display_path(airflow_home.logs())}. Press Ctrl-C, or run `make stop`, to end it."
            )
            while True:
                _check_alive(processes)
                time.sleep(1)
        except KeyboardInterrupt:
            print_line(console, "stopping")
            return 0


@contextlib.contextmanager
def _local_aws() -> Iterator[None]:
    """The local AWS; stopped at the end if it was started here."""
    aws = local_aws()
    was_running = service.is_running(aws)
    start_local_aws()
    try:
        yield
    finally:
        if not was_running:
            service.stop(aws)


@contextlib.contextmanager
def _airflow(port: int, lock: int) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Airflow's processes; at the end they are stopped, and no run is left "running"."""
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, arguments in COMPONENTS.items():
            with (airflow_home.logs() / f"{name}.log").open("w") as log:
                processes[name] = subprocess.Popen(
                    [sys.executable, "-m", "airflow", *arguments],
                    cwd=PROJECT,
                    env=airflow_home.environment(port),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    # They hold the lock even when this process has been killed.
                    pass_fds=(lock,),
                    # A process group each, to reach the tasks that the scheduler's executor has forked.
                    start_new_session=True,
                )
        ui_lock().record(os.getpid(), *(process.pid for process in processes.values()))
        yield processes
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _stop(processes)
        airflow_home.fail_abandoned_runs(only_of_make_run=False)


def _stop(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    """Ends the scheduler with its tasks first, which report to the API server to the last."""
    for name in ("scheduler", "dag-processor", "api-server"):
        if (process := processes.get(name)) is None:
            continue
        for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)


def _require_free_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CommandError(f"port {port} is taken; choose another with UI_PORT=") from error


def _check_alive(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    for name, process in processes.items():
        if process.poll() is not None:
            raise CommandError(f"Airflow's {name} has ended; see {display_path(airflow_home.logs() / f'{name}.log')}")


def _wait_until_healthy(port: int, processes: dict[str, subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + HEALTHY_SECONDS
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < deadline:
        _check_alive(processes)
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            with opener.open(f"http://127.0.0.1:{port}/api/v2/monitor/health", timeout=5) as response:
                health = json.load(response)
            if all(health[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor")):
                return
        time.sleep(0.5)
    raise CommandError(f"Airflow was not healthy within {HEALTHY_SECONDS} s; see {display_path(airflow_home.logs())}")
