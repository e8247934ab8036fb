"""``make ui`` on a lake of its own, for tests and pictures: asked through Airflow's REST API, or with a browser."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import psutil
from playwright.sync_api import Browser, Error, sync_playwright

from dev.settings import lakehouse_settings
from local_aws.glue.processes import processes
from local_aws.settings import PROJECT, LocalAws, free_port

DAG = "stedi_lakehouse"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
Found = TypeVar("Found")


class NoBrowser(Exception):
    """There is no browser, or it cannot be started; the message says which of the two."""


def wait_for(condition: Callable[[], Found], seconds: float = 300) -> Found:
    """What the condition gives, once that is something."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s")
        time.sleep(0.5)
    return found


class Airflow:
    """A running ``make ui``; the names of a run and a task are Airflow's own."""

    def __init__(self, root: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.aws = LocalAws(free_port(), root / "aws")
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
        """Airflow's answer to a request below the DAG's path; with a slash in front, below ``/api/v2``."""
        path = path if path.startswith("/") else f"/dags/{DAG}/{path}"
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(
            f"{self.url}/api/v2{path}", json.dumps(body).encode() if body else None, headers, method=method
        )
        try:
            with self._opener.open(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            error.add_note(error.read().decode())
            raise

    @cached_property
    def _token(self) -> str:
        with self._opener.open(f"{self.url}/auth/token", timeout=60) as answer:
            return str(json.load(answer)["access_token"])

    # --- runs ---

    def runs(self) -> list[dict[str, Any]]:
        """The oldest first."""
        return list(self.ask("dagRuns?order_by=run_after&limit=100")["dag_runs"])

    def trigger(self) -> str:
        return str(self.ask("dagRuns", {"logical_date": None, "conf": {}})["dag_run_id"])

    def state(self, run: str) -> str:
        return str(self.ask(f"dagRuns/{quote(run)}")["state"])

    def end(self, run: str, seconds: float = 900) -> str:
        """The state in which a run ends."""
        return wait_for(lambda: state if (state := self.state(run)) in ("success", "failed") else "", seconds)

    # --- tasks ---

    def tasks(self, run: str) -> list[dict[str, Any]]:
        return list(self.ask(f"dagRuns/{quote(run)}/taskInstances?limit=100")["task_instances"])

    def task(self, run: str, task: str) -> dict[str, Any]:
        return dict(self.ask(self._path(run, task)))

    def attempts(self, run: str, task: str) -> list[str]:
        """The state of each attempt, the first one first."""
        return [attempt["state"] for attempt in self.ask(f"{self._path(run, task)}/tries")["task_instances"]]

    def log(self, run: str, task: str, attempt: int) -> str:
        lines = self.ask(f"{self._path(run, task)}/logs/{attempt}")["content"]
        return "\n".join(line["event"] for line in lines)

    def clear(self, run: str, task: str) -> None:
        """Clears a task, and no other."""
        only = {"dag_run_id": run, "task_ids": [task], "only_failed": False, "dry_run": False}
        cleared = self.ask("clearTaskInstances", only)["task_instances"]
        if [instance["task_id"] for instance in cleared] != [task]:
            raise RuntimeError(f"cleared instead of {task}: {cleared}")

    def mark_failed(self, run: str, task: str) -> None:
        self.ask(self._path(run, task), {"new_state": "failed"}, "PATCH")

    def _path(self, run: str, task: str) -> str:
        return f"dagRuns/{quote(run)}/taskInstances/{task}"

    # --- Glue ---

    def glue_runs(self, job: str) -> list[dict[str, Any]]:
        """The runs of a Glue job, the oldest first; none if there is no such job yet."""
        glue = self.aws.client("glue")
        with suppress(glue.exceptions.EntityNotFoundException):
            return list(glue.get_job_runs(JobName=lakehouse_settings().job_name(job))["JobRuns"][::-1])
        return []


def spark(glue_run: str) -> list[int]:
    """The processes of Spark of a Glue run."""
    found = []
    for process in processes(glue_run):
        with suppress(psutil.NoSuchProcess):  # it ended meanwhile
            # Not the launcher before it, which only puts Spark's command together.
            if process.name() == "java" and "org.apache.spark.launcher.Main" not in process.cmdline():
                found.append(process.pid)
    return found


@contextmanager
def running_airflow(root: Path, landing: Path, project: Path = PROJECT, **settings: str) -> Iterator[Airflow]:
    """``make ui`` of a checkout, with its lake, its database and its logs below ``root``; ``settings`` are environment
    variables."""
    port = free_port()
    airflow = Airflow(root, port)
    own = {
        "STEDI_LOCAL": str(root),
        "LOCAL_AWS_PORT": str(airflow.aws.port),
        "STEDI_RETRY_SECONDS": "1",
    }
    root.mkdir(parents=True, exist_ok=True)
    output = root / "ui.log"
    with output.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dev", "ui", "--port", str(port), "--landing", str(landing)],
            cwd=project,
            env=os.environ | own | settings,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )

    def serves() -> bool:
        if process.poll() is not None:
            raise RuntimeError(output.read_text())
        # The DAG is there when it has been parsed.
        return "Airflow: " in output.read_text() and DAG in [dag["dag_id"] for dag in airflow.ask("/dags")["dags"]]

    try:
        wait_for(serves)
        yield airflow
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=180)


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser of this machine, with a profile of its own; raises NoBrowser."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        raise NoBrowser(f"there is no browser: none of {', '.join(BROWSERS)} is on the PATH")
    arguments = ["--disable-gpu", "--disable-quic", "--disable-sync", "--no-proxy-server"]
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=executable, args=arguments)
        except Error as error:
            raise NoBrowser(f"{executable} cannot be started: {error.message.splitlines()[0]}") from error
        try:
            yield started
        finally:
            started.close()
