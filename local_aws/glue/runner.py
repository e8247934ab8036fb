"""Runs jobs: each run from its script's download to its last log line, with timeout, stop and Glue's own retries."""

import asyncio
import contextlib
import json
import logging
import shutil
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_aws.glue.jars import JarsError
from local_aws.glue.jvm import JvmError, JvmSettings, Script
from local_aws.glue.jvms import Jvms
from local_aws.glue.launch import LaunchError, prepare
from local_aws.glue.processes import end_processes
from local_aws.glue.run_log import RunLog
from local_aws.glue.store import Store
from local_aws.json_api import Json
from local_aws.settings import GLUE_KEY, LocalAws

logger = logging.getLogger("local_aws")


@dataclass
class _Active:
    """A run under way."""

    task: asyncio.Task[None]
    stop: asyncio.Event = field(default_factory=asyncio.Event)


class Runner:
    """The runs of one local AWS. Each works in ``<directory>/<run id>``; ``client`` gives boto3 clients,
    as ``LocalAws.client`` does."""

    def __init__(self, local_aws: LocalAws, directory: Path, store: Store, client: Callable[..., Any]) -> None:
        self._aws = local_aws
        self._directory = directory
        self._store = store
        self._client = client
        self._active: dict[str, _Active] = {}
        self.closing = False
        self._end_what_a_crash_left()
        self._jvms = Jvms(local_aws, directory)
        self._jvms.warm_up()

    def launch(self, run: Json, job: Json, arguments: dict[str, str]) -> None:
        """Starts a run, whose ``arguments`` are the job's and its own."""
        run["StartedOn"] = time.time()
        self._store.put_run(run)
        self._active[run["Id"]] = _Active(asyncio.create_task(self._execute(run, job, arguments)))

    def stop(self, run: Json) -> bool:
        """Asks a run to stop; False where it has ended."""
        if run["Id"] not in self._active:
            return False
        self._store.put_run(run | {"JobRunState": "STOPPING"})
        self._active[run["Id"]].stop.set()
        return True

    async def forget(self, run_id: str) -> None:
        """Deletes the files and the log of a run, which is stopped before."""
        if active := self._active.get(run_id):
            active.stop.set()
            await asyncio.wait([active.task])
        await asyncio.to_thread(self._delete_files, run_id)

    async def close(self) -> None:
        """Ends the runs under way; they are then FAILED."""
        self.closing = True
        for active in self._active.values():
            active.stop.set()
        if tasks := [active.task for active in self._active.values()]:
            await asyncio.wait(tasks)
        await self._jvms.close()

    async def _execute(self, run: Json, job: Json, arguments: dict[str, str]) -> None:
        run_id, began = run["Id"], None
        try:
            directory = self._directory / run_id
            log = RunLog(await asyncio.to_thread(self._client, "logs", GLUE_KEY), directory, run_id)
            await asyncio.to_thread(log.create)
            try:
                s3, script = await asyncio.to_thread(self._client, "s3", GLUE_KEY), job["Command"]["ScriptLocation"]
                wanted = await asyncio.to_thread(prepare, self._aws, s3, run, script, arguments, directory)
                began = time.time()
                run["JobRunState"] = "RUNNING"
                if not self._active[run_id].stop.is_set():
                    self._store.put_run(run)
                state, message = await self._supervise(run, *wanted, log)
            except (LaunchError, JarsError) as error:
                state, message = "FAILED", str(error)
                (directory / "error").write_text(f"{message}\n")
            except JvmError as error:
                state, message = "FAILED", _reason(error.code, directory / "error.json")
                (directory / "error").write_text(error.log)
            await asyncio.to_thread(log.ship, last=True)
            shutil.rmtree(directory / "tmp", ignore_errors=True)
        except Exception as error:
            logger.exception("Run %s", run_id)
            state, message = "FAILED", f"The local AWS failed: {type(error).__name__}: {error}"
            await asyncio.to_thread(end_processes, run_id)
        ended = time.time()
        seconds = round(ended - (began or ended))
        run |= {"JobRunState": state, "CompletedOn": ended, "ExecutionTime": seconds}
        if run["ExecutionClass"] == "FLEX":  # Glue gives them of no other kind of job that runs here
            run["DPUSeconds"] = seconds * run["MaxCapacity"]
        if message:
            run["ErrorMessage"] = message
        await self._put_end(run)
        del self._active[run_id]
        if state == "FAILED" and run["Attempt"] < job["MaxRetries"] and not self.closing:
            self._retry(run, job, arguments)
        for old in self._store.old_run_ids():
            if (self._directory / old).exists():
                await asyncio.to_thread(self._delete_files, old)

    async def _supervise(self, run: Json, settings: JvmSettings, script: Script, log: RunLog) -> tuple[str, str]:
        """Runs the script to its end, or to its timeout or a stop; gives the run's last state and its message."""
        stop = self._active[run["Id"]].stop
        deadline = time.monotonic() + run["Timeout"] * self._aws.seconds_per_minute
        work, stopped = asyncio.create_task(self._work(settings, script)), asyncio.create_task(stop.wait())
        while not work.done() and not stopped.done() and time.monotonic() < deadline:
            left = max(0.0, deadline - time.monotonic())
            await asyncio.wait({work, stopped}, timeout=min(1, left), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.to_thread(log.ship)
        finished = not work.cancel()
        code = 0
        with contextlib.suppress(asyncio.CancelledError):
            code = await work
        stopped.cancel()
        if self.closing and not finished:
            return "FAILED", "The local AWS was stopped while the job was running."
        if stop.is_set() and not self.closing:
            return "STOPPED", ""
        if not finished:
            return "TIMEOUT", f"Job run timed out after {run['Timeout']} minutes."
        if code:
            return "FAILED", _reason(code, script.reason)
        self._jvms.remember(settings)
        return "SUCCEEDED", ""

    async def _work(self, settings: JvmSettings, script: Script) -> int:
        """Runs the script in a JVM with these settings; gives its exit code."""
        jvm = await self._jvms.take(settings)
        try:
            return await jvm.run(script)
        finally:
            await self._jvms.give_back(jvm)

    async def _put_end(self, run: Json) -> None:
        """Until its end is stored, a run looks active, and keeps others from starting: the disk may be full."""
        while True:
            try:
                return self._store.put_run(run)
            except sqlite3.OperationalError:
                logger.exception("The end of run %s", run["Id"])
                if self.closing:
                    return None
                await asyncio.sleep(1)

    def _retry(self, failed: Json, job: Json, arguments: dict[str, str]) -> None:
        """Glue's own retries (MaxRetries): a new run with the same arguments."""
        ended = ("CompletedOn", "ErrorMessage", "DPUSeconds")
        again = {key: value for key, value in failed.items() if key not in ended}
        attempt = failed["Attempt"] + 1
        run_id = f"{failed['Id'].partition('_attempt_')[0]}_attempt_{attempt}"
        again |= {"Id": run_id, "Attempt": attempt, "PreviousRunId": failed["Id"], "JobRunState": "STARTING"}
        self.launch(again | {"ExecutionTime": 0}, job, arguments)

    def _end_what_a_crash_left(self) -> None:
        """A run that was under way when the server died cannot go on: nobody would notice its end."""
        for run in self._store.active_runs():
            end_processes(run["Id"])
            message = "The local AWS died while the job was running; what was left of the run was ended."
            ended = {"JobRunState": "FAILED", "CompletedOn": time.time(), "ErrorMessage": message}
            self._store.put_run(run | ended)

    def _delete_files(self, run_id: str) -> None:
        directory = self._directory / run_id
        shutil.rmtree(directory, ignore_errors=True)
        RunLog(self._client("logs"), directory, run_id).delete()


def _reason(code: int, error: Path) -> str:
    """Why a run failed, in one line."""
    # A shell, and Java, report a child that was killed as 128 + the signal's number.
    number = -code if code < 0 else code - 128
    if 0 < number < 65:
        # First: a script whose Java is killed only says that it cannot reach it any more.
        return f"Command failed with exit code {code}: the job was killed by signal {number}"
    with contextlib.suppress(FileNotFoundError, ValueError):  # not there, or cut off by a full disk
        return str(json.loads(error.read_text()))[:2000]
    return f"Command failed with exit code {code}; the error log says why"
