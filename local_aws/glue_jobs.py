"""The Glue Jobs API: definitions and runs of Spark jobs, each run a real ``spark-submit`` on this machine."""

import asyncio
import contextlib
import functools
import json
import logging
import os
import re
import secrets
import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from local_aws import spark
from local_aws.api import ApiError
from local_aws.settings import LocalAws

#: Glue versions with Spark 3.5, Python 3.11 and Java 17: what runs here.
GLUE_VERSIONS = ("5.0", "5.1")
LOG_GROUP = "/aws-glue/jobs"
ACTIVE = ("STARTING", "RUNNING", "STOPPING")
DPUS = {"Standard": 1, "G.1X": 1, "G.2X": 2, "G.4X": 4, "G.8X": 8, "G.12X": 12, "G.16X": 16}
DPUS |= {"R.1X": 1, "R.2X": 2, "R.4X": 4, "R.8X": 8}
DEFAULT_TIMEOUT = 480  # minutes; Glue's own for these versions
#: Arguments that Glue itself acts on; the script does not see them.
OURS = ("--conf", "--extra-py-files", "--datalake-formats")
UNSUPPORTED = ("--additional-python-modules", "--extra-jars", "--extra-files", "--user-jars-first")
#: Every process of a run carries the run's id in its environment: that is how they are found again.
MARK = "GLUE_JOB_RUN_ID"
KEPT_RUNS = 200
KEPT_LOG = 5_000_000  # bytes of a run's stdout or stderr that go to the logs
SECONDS_TO_STOP = 5.0


logger = logging.getLogger("local_aws")


class LaunchError(Exception):
    """The run cannot start: its message becomes the run's."""


class GlueJobs:
    """The Glue Jobs API of one local AWS; definitions, runs and their files lie in ``<state>/glue``."""

    actions = frozenset(
        {"CreateJob", "UpdateJob", "DeleteJob", "GetJob", "GetJobs", "ListJobs", "BatchGetJobs"}
        | {"StartJobRun", "GetJobRun", "GetJobRuns", "BatchStopJobRun"}
    )

    def __init__(self, local_aws: LocalAws) -> None:
        self._aws = local_aws
        self._directory = local_aws.state / "glue"
        self._directory.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(self._directory / "jobs.sqlite", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("CREATE TABLE IF NOT EXISTS jobs (name TEXT PRIMARY KEY, document TEXT)")
        self._db.execute("CREATE TABLE IF NOT EXISTS runs (id TEXT PRIMARY KEY, job TEXT, document TEXT)")
        self._running: dict[str, asyncio.Task] = {}
        self._stops: dict[str, asyncio.Event] = {}
        self._archiving: asyncio.Task | None = None
        self._closing = False
        self._end_what_a_crash_left()

    async def handle(self, action: str, request: dict) -> dict:
        method = re.sub(r"(?<!^)(?=[A-Z])", "_", action).lower()
        return await getattr(self, f"_{method}")(request)

    async def close(self) -> None:
        """Ends the runs under way; they are then FAILED."""
        self._closing = True
        for stop in self._stops.values():
            stop.set()
        if self._archiving:
            self._archiving.cancel()
        if left := [*self._running.values(), *([self._archiving] if self._archiving else [])]:
            await asyncio.wait(left)

    # --- definitions ---

    async def _create_job(self, request: dict) -> dict:
        name = required(request, "Name")
        job = await self._definition(name, {key: value for key, value in request.items() if key != "Name"})
        try:
            self._db.execute("INSERT INTO jobs VALUES (?, ?)", (name, json.dumps(job)))
        except sqlite3.IntegrityError:
            if self._job(name) | {"CreatedOn": job["CreatedOn"], "LastModifiedOn": job["LastModifiedOn"]} == job:
                return {"Name": name}
            message = f"Job with name: {name} already submitted with different configuration."
            raise ApiError("IdempotentParameterMismatchException", message) from None
        return {"Name": name}

    async def _update_job(self, request: dict) -> dict:
        name = required(request, "JobName")
        old = self._job(name)
        job = await self._definition(name, required(request, "JobUpdate")) | {"CreatedOn": old["CreatedOn"]}
        self._db.execute("UPDATE jobs SET document = ? WHERE name = ?", (json.dumps(job), name))
        return {"JobName": name}

    async def _definition(self, name: str, given: dict) -> dict:
        """A whole job definition out of what was given: with Glue's defaults, and refused where Glue refuses it."""
        command = required(given, "Command")
        if command.get("Name") != "glueetl":
            raise invalid(f"Command.Name {command.get('Name')!r}: the local AWS runs Spark jobs only (glueetl).")
        if not command.get("ScriptLocation", "").startswith("s3://"):
            raise invalid("Command.ScriptLocation must be an S3 path (s3://bucket/key).")
        if command.get("PythonVersion", "3") != "3":
            raise invalid(f"Python version {command['PythonVersion']} is not supported; it must be 3.")
        if given.get("GlueVersion") not in GLUE_VERSIONS:
            raise invalid(
                f"GlueVersion {given.get('GlueVersion')!r} is not supported; use {' or '.join(GLUE_VERSIONS)}."
            )
        if "Tags" in given:
            raise invalid("The local AWS keeps no tags of jobs.")
        await self._check_role(required(given, "Role"))
        if not 0 <= given.get("MaxRetries", 0) <= 10:
            raise invalid("MaxRetries must be between 0 and 10.")
        now = time.time()
        job = {
            "Name": name,
            "CreatedOn": now,
            "ExecutionProperty": {"MaxConcurrentRuns": 1},
            "MaxRetries": 0,
            "Timeout": DEFAULT_TIMEOUT,
            "ExecutionClass": "STANDARD",
            **given,
            "Command": {"PythonVersion": "3", **command},
            "LastModifiedOn": now,
        }
        return job | capacity(given) | {"Timeout": checked_timeout(job["Timeout"])}

    async def _check_role(self, role: str) -> None:
        try:
            name = role.rpartition("/")[2]
            await asyncio.to_thread(lambda: self._client("iam").get_role(RoleName=name))
        except ClientError as error:
            raise invalid(f"Role {role} cannot be assumed by Glue: {error.response['Error']['Message']}") from error

    async def _delete_job(self, request: dict) -> dict:
        name = required(request, "JobName")
        for run in self._runs_of(name):
            if run["Id"] in self._stops:
                self._stops[run["Id"]].set()
                await asyncio.wait([self._running[run["Id"]]])
            await asyncio.to_thread(self._forget_files, run["Id"])
        self._db.execute("DELETE FROM runs WHERE job = ?", (name,))
        self._db.execute("DELETE FROM jobs WHERE name = ?", (name,))
        return {"JobName": name}

    async def _get_job(self, request: dict) -> dict:
        return {"Job": self._job(required(request, "JobName"))}

    async def _get_jobs(self, request: dict) -> dict:
        return page([self._job(name) for name in self._names()], "Jobs", request)

    async def _list_jobs(self, request: dict) -> dict:
        return page(self._names(), "JobNames", request)

    async def _batch_get_jobs(self, request: dict) -> dict:
        wanted, known = required(request, "JobNames"), self._names()
        return {
            "Jobs": [self._job(name) for name in wanted if name in known],
            "JobsNotFound": [name for name in wanted if name not in known],
        }

    def _names(self) -> list[str]:
        return [name for (name,) in self._db.execute("SELECT name FROM jobs ORDER BY name")]

    def _job(self, name: str) -> dict:
        row = self._db.execute("SELECT document FROM jobs WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise ApiError("EntityNotFoundException", f"Job {name} not found.")
        return json.loads(row[0])

    # --- runs ---

    async def _start_job_run(self, request: dict) -> dict:
        name = required(request, "JobName")
        if name not in self._names():
            raise ApiError("EntityNotFoundException", "Failed to start job run due to missing metadata")
        if self._closing:
            raise ApiError("OperationTimeoutException", "The local AWS is being stopped.")
        if "JobRunId" in request:
            raise invalid("The local AWS does not start a run again by its JobRunId.")
        job, given = self._job(name), request.get("Arguments", {})
        fixed = job.get("NonOverridableArguments", {})
        if overridden := sorted(set(given) & set(fixed)):
            raise invalid(f"Non-overridable arguments of the job were given: {', '.join(overridden)}")
        limit = job["ExecutionProperty"].get("MaxConcurrentRuns", 1)
        if sum(run["JobRunState"] in ACTIVE for run in self._runs_of(name)) >= limit:
            raise ApiError("ConcurrentRunsExceededException", f"Concurrent runs exceeded for {name}")
        run = {
            "Id": f"jr_{secrets.token_hex(32)}",
            "Attempt": 0,
            "JobName": name,
            "JobMode": "SCRIPT",
            "JobRunState": "STARTING",
            **({"Arguments": given} if given else {}),
            "PredecessorRuns": [],
            "ExecutionTime": 0,
            "Timeout": checked_timeout(request.get("Timeout", job["Timeout"])),
            **capacity(request if {"WorkerType", "NumberOfWorkers", "MaxCapacity"} & set(request) else job),
            "ExecutionClass": request.get("ExecutionClass", job["ExecutionClass"]),
            "GlueVersion": job["GlueVersion"],
            "LogGroupName": LOG_GROUP,
        }
        self._launch(run, job, {**job.get("DefaultArguments", {}), **given, **fixed})
        return {"JobRunId": run["Id"]}

    async def _get_job_run(self, request: dict) -> dict:
        name, run_id = required(request, "JobName"), required(request, "RunId")
        row = self._db.execute("SELECT document FROM runs WHERE id = ? AND job = ?", (run_id, name)).fetchone()
        if row is None:
            raise ApiError("EntityNotFoundException", f"Job Run {run_id} of job {name} not found.")
        return {"JobRun": json.loads(row[0])}

    async def _get_job_runs(self, request: dict) -> dict:
        name = required(request, "JobName")
        self._job(name)
        return page(self._runs_of(name), "JobRuns", request)

    async def _batch_stop_job_run(self, request: dict) -> dict:
        name, stopped, errors = required(request, "JobName"), [], []
        runs = {run["Id"]: run for run in self._runs_of(name)}
        for run_id in required(request, "JobRunIds"):
            if run_id not in runs:
                code, message = "EntityNotFoundException", f"Job Run {run_id} of job {name} not found."
            elif run_id not in self._stops:
                state = runs[run_id]["JobRunState"]
                code, message = "JobRunInTerminalStateException", f"Job Run {run_id} is already {state}."
            else:
                self._put_run(runs[run_id] | {"JobRunState": "STOPPING"})
                self._stops[run_id].set()
                stopped.append({"JobName": name, "JobRunId": run_id})
                continue
            detail = {"ErrorCode": code, "ErrorMessage": message}
            errors.append({"JobName": name, "JobRunId": run_id, "ErrorDetail": detail})
        return {"SuccessfulSubmissions": stopped, "Errors": errors}

    def _runs_of(self, name: str) -> list[dict]:
        """The runs of a job, the newest first."""
        rows = self._db.execute("SELECT document FROM runs WHERE job = ? ORDER BY rowid DESC", (name,))
        return [json.loads(document) for (document,) in rows]

    def _put_run(self, run: dict) -> None:
        run["LastModifiedOn"] = time.time()
        self._db.execute(
            "INSERT INTO runs VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET document = excluded.document",
            (run["Id"], run["JobName"], json.dumps(run)),
        )

    async def _put_end(self, run: dict) -> None:
        """Until it is written down, a run seems to be at work, and keeps others from starting: the disk may be full."""
        while True:
            try:
                return self._put_run(run)
            except sqlite3.OperationalError:
                logger.exception("The end of run %s", run["Id"])
                if self._closing:
                    return None
                await asyncio.sleep(1)

    def _launch(self, run: dict, job: dict, arguments: dict[str, str]) -> None:
        run["StartedOn"] = time.time()
        self._put_run(run)
        self._stops[run["Id"]] = asyncio.Event()
        self._running[run["Id"]] = asyncio.create_task(self._execute(run, job, arguments))

    async def _execute(self, run: dict, job: dict, arguments: dict[str, str]) -> None:
        """One run, from its script's download to its last log line."""
        run_id, began = run["Id"], None
        try:
            directory = self._directory / run_id
            log = RunLog(await asyncio.to_thread(self._client, "logs"), directory, run_id)
            await asyncio.to_thread(log.create)
            try:
                command, environment = await asyncio.to_thread(self._prepare, run, job, arguments, directory)
                began = time.time()
                run["JobRunState"] = "RUNNING"
                if not self._stops[run_id].is_set():
                    self._put_run(run)
                state, message = await self._supervise(run, command, environment, log)
            except (LaunchError, spark.JarsError) as error:
                state, message = "FAILED", str(error)
                with (directory / "stderr").open("a") as stderr:
                    stderr.write(f"{message}\n")
            await asyncio.to_thread(log.ship, last=True)
            shutil.rmtree(directory / "tmp", ignore_errors=True)
            if state == "SUCCEEDED" and (directory / "classes").exists() and self._archiving is None:
                self._archiving = asyncio.create_task(self._archive_classes(directory / "classes"))
        except Exception as error:
            logger.exception("Run %s", run_id)
            state, message = "FAILED", f"The local AWS failed: {type(error).__name__}: {error}"
            await asyncio.to_thread(end_processes, run_id)
        ended = time.time()
        seconds = round(ended - (began or ended))
        run |= {"JobRunState": state, "CompletedOn": ended, "ExecutionTime": seconds}
        run |= {"DPUSeconds": seconds * run["MaxCapacity"]} | ({"ErrorMessage": message} if message else {})
        await self._put_end(run)
        del self._stops[run_id], self._running[run_id]
        if state == "FAILED" and run["Attempt"] < job["MaxRetries"] and not self._closing:
            self._retry(run, job, arguments)
        await asyncio.to_thread(self._keep_the_newest, [run_id for (run_id,) in self._db.execute(OLD_RUNS)])

    def _retry(self, failed: dict, job: dict, arguments: dict[str, str]) -> None:
        """Glue's own retries (MaxRetries): a new run with the same arguments."""
        ended = ("CompletedOn", "ErrorMessage", "DPUSeconds")
        again = {key: value for key, value in failed.items() if key not in ended}
        attempt = failed["Attempt"] + 1
        run_id = f"{failed['Id'].partition('_attempt_')[0]}_attempt_{attempt}"
        again |= {"Id": run_id, "Attempt": attempt, "PreviousRunId": failed["Id"], "JobRunState": "STARTING"}
        self._launch(again | {"ExecutionTime": 0}, job, arguments)

    def _prepare(
        self, run: dict, job: dict, arguments: dict[str, str], directory: Path
    ) -> tuple[list[str], dict[str, str]]:
        """Puts the run's files into its directory; gives the command and its environment. Raises ``LaunchError``."""
        directory.mkdir()
        for name in ("stdout", "stderr"):
            (directory / name).touch()
        for name in UNSUPPORTED:
            if name in arguments:
                raise LaunchError(f"LAUNCH ERROR | The local AWS does not support {name}.")
        formats = arguments.get("--datalake-formats", "")
        if formats not in ("", "iceberg"):
            raise LaunchError(f"LAUNCH ERROR | --datalake-formats {formats}: the local AWS knows iceberg only.")
        settings = dict(
            pair.partition("=")[::2] for pair in re.split(r"\s+--conf\s+", arguments.get("--conf", "").strip()) if pair
        )
        catalogs = [match[1] for key in settings if (match := re.fullmatch(r"spark\.sql\.catalog\.([^.]+)", key))]
        script = self._fetch(job["Command"]["ScriptLocation"], directory / "script")
        extra = [uri.strip() for uri in arguments.get("--extra-py-files", "").split(",") if uri.strip()]
        packages = [self._fetch(uri, directory / "packages") for uri in extra]
        runner = shutil.copy(Path(__file__).with_name("glue_script.py"), directory / "glue_script.py")
        spark.write_log4j2(directory / "log4j2.properties")
        java = f"-Dlog4j2.configurationFile={(directory / 'log4j2.properties').as_uri()}"
        # Java asks no environment where its temporary files go: what a killed run had staged for S3 would stay in /tmp.
        java += f' "-Djava.io.tmpdir={directory / "tmp"}"'
        java += " " + spark.class_options(directory / "classes") if formats == "iceberg" else ""
        local = spark.settings(self._aws, catalogs=tuple(catalogs)) | {"spark.driver.extraJavaOptions": java}
        spark.write_properties(directory / "spark.properties", local)
        command = [str(spark.spark_home() / "bin" / "spark-submit"), "--name", run["JobName"]]
        command += ["--properties-file", str(directory / "spark.properties")]
        for key, value in settings.items():
            command += ["--conf", f"{key}={value}"]
        command += ["--py-files", ",".join(map(str, packages))] if packages else []
        command += [runner, str(directory / "error.json"), str(script)]
        command += ["--JOB_ID", f"j_{run['JobName']}", "--JOB_RUN_ID", run["Id"], "--JOB_NAME", run["JobName"]]
        for key, value in arguments.items():
            command += [] if key in OURS else [key, value]
        environment = spark.submit_environment(self._aws, directory, iceberg=formats == "iceberg")
        return list(map(str, command)), environment | {MARK: run["Id"]}

    def _fetch(self, uri: str, directory: Path) -> Path:
        """Downloads one S3 object into a directory of the run."""
        directory.mkdir(exist_ok=True)
        parts = urlsplit(uri)
        path = directory / Path(parts.path).name
        try:
            self._client("s3").download_file(parts.netloc, parts.path.lstrip("/"), str(path))
        except (ClientError, ValueError) as error:
            raise LaunchError(f"LAUNCH ERROR | File Doesn't Exist: {uri}") from error
        return path

    async def _supervise(
        self, run: dict, command: list[str], environment: dict[str, str], log: "RunLog"
    ) -> tuple[str, str]:
        """Runs the command to its end, or to its timeout or a stop; gives the run's last state and its message."""
        run_id, stop = run["Id"], self._stops[run["Id"]]
        directory = self._directory / run_id
        with (directory / "stdout").open("ab") as out, (directory / "stderr").open("ab") as err:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        deadline = time.monotonic() + run["Timeout"] * self._aws.seconds_per_minute
        ended, stopped = asyncio.create_task(process.wait()), asyncio.create_task(stop.wait())
        while not ended.done() and not stopped.done() and time.monotonic() < deadline:
            left = max(0.0, deadline - time.monotonic())
            await asyncio.wait({ended, stopped}, timeout=min(1, left), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.to_thread(log.ship)
        finished = ended.done()
        await asyncio.to_thread(end_processes, run_id, process.pid)
        code = await ended
        stopped.cancel()
        if self._closing and not finished:
            return "FAILED", "The local AWS was stopped while the job was running."
        if stop.is_set() and not self._closing:
            return "STOPPED", ""
        if not finished:
            return "TIMEOUT", f"Job run timed out after {run['Timeout']} minutes."
        return ("SUCCEEDED", "") if code == 0 else ("FAILED", failure(code, directory / "error.json"))

    async def _archive_classes(self, class_list: Path) -> None:
        """Makes the class archive in the background, for all later runs; without it they are only slower."""
        archive = spark.class_archive()
        new = archive.with_suffix(f".{os.getpid()}")
        process = None
        try:
            for old in archive.parent.glob("classes-*"):
                old.unlink()
            command = spark.class_archive_command(class_list, new)
            process = await asyncio.create_subprocess_exec(
                *command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            if await process.wait() == 0:
                new.replace(archive)
        except OSError as error:
            logger.warning("No class archive: %s", error)
        finally:
            if process is not None and process.returncode is None:
                process.kill()
                await process.wait()
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
                class_list.unlink(missing_ok=True)

    def _end_what_a_crash_left(self) -> None:
        """A run that was under way when the server died cannot go on: nobody would notice its end."""
        for (document,) in self._db.execute("SELECT document FROM runs").fetchall():
            run = json.loads(document)
            if run["JobRunState"] in ACTIVE:
                end_processes(run["Id"])
                message = "The local AWS died while the job was running; what was left of the run was ended."
                self._put_run(run | {"JobRunState": "FAILED", "CompletedOn": time.time(), "ErrorMessage": message})

    def _keep_the_newest(self, old: list[str]) -> None:
        for run_id in old:
            if (self._directory / run_id).exists():
                self._forget_files(run_id)

    def _forget_files(self, run_id: str) -> None:
        shutil.rmtree(self._directory / run_id, ignore_errors=True)
        for group in ("output", "error"):
            with contextlib.suppress(ClientError):
                self._client("logs").delete_log_stream(logGroupName=f"{LOG_GROUP}/{group}", logStreamName=run_id)

    @functools.cache  # noqa: B019 - there is one of these in a process
    def _client(self, service: str) -> Any:
        return self._aws.client(service)


OLD_RUNS = f"SELECT id FROM runs ORDER BY rowid DESC LIMIT -1 OFFSET {KEPT_RUNS}"


class RunLog:
    """Carries what a run writes to its stdout and stderr on to CloudWatch Logs, as it comes."""

    def __init__(self, logs: Any, directory: Path, run_id: str) -> None:
        self._logs = logs
        self._directory = directory
        self._stream = run_id
        self._read = {"stdout": 0, "stderr": 0}

    def ship(self, *, last: bool = False) -> None:
        """Sends the whole lines that were not sent yet; at the ``last`` call also an unfinished one."""
        for name, group in (("stdout", f"{LOG_GROUP}/output"), ("stderr", f"{LOG_GROUP}/error")):
            with (self._directory / name).open("rb") as file:
                file.seek(self._read[name])
                new = file.read(max(0, KEPT_LOG - self._read[name]))
            new = new if last else new[: new.rfind(b"\n") + 1]
            self._read[name] += len(new)
            lines = [line for line in new.decode(errors="replace").splitlines() if line.strip()]
            if new and self._read[name] >= KEPT_LOG:
                lines.append(f"... cut here; all of it is in {self._directory / name}")
            try:
                self._put(group, lines)
            except (BotoCoreError, ClientError):  # a job does not fail for want of its log
                logger.exception("The log of run %s", self._stream)

    def _put(self, group: str, lines: list[str]) -> None:
        for start in range(0, len(lines), 1000):
            now = int(time.time() * 1000)
            events = [{"timestamp": now, "message": line} for line in lines[start : start + 1000]]
            self._logs.put_log_events(logGroupName=group, logStreamName=self._stream, logEvents=events)

    def create(self) -> None:
        """Creates the run's two log streams."""
        for group in (f"{LOG_GROUP}/output", f"{LOG_GROUP}/error"):
            with contextlib.suppress(self._logs.exceptions.ResourceAlreadyExistsException):
                self._logs.create_log_group(logGroupName=group)
            with contextlib.suppress(self._logs.exceptions.ResourceAlreadyExistsException):
                self._logs.create_log_stream(logGroupName=group, logStreamName=self._stream)


def processes(run_id: str, session: int | None = None) -> list[int]:
    """The living processes of a run: those that carry its id in their environment, or are of its session."""
    found, mark = [], f"{MARK}={run_id}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, sid = (process / "stat").read_text().rpartition(")")[2].split()[:4]
            if state != "Z" and (int(sid) == session or mark in (process / "environ").read_bytes().split(b"\0")):
                found.append(int(process.name))
        except OSError:  # it ended meanwhile, or is another user's
            continue
    return found


def end_processes(run_id: str, session: int | None = None) -> None:
    """Ends a run's processes, the JVM and Python's: SIGTERM, and after a few seconds SIGKILL."""
    asked: set[int] = set()
    deadline = time.monotonic() + SECONDS_TO_STOP
    while left := processes(run_id, session):
        late = time.monotonic() > deadline
        if time.monotonic() > deadline + SECONDS_TO_STOP:
            raise RuntimeError(f"processes {left} of run {run_id} do not end")
        for pid in left if late else set(left) - asked:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        asked.update(left)
        time.sleep(0.05)


def failure(code: int, reason: Path) -> str:
    """Why a run failed, in one line."""
    # A shell, and Java, report a child that was killed as 128 + the signal's number.
    number = -code if code < 0 else code - 128
    if 0 < number < 65:
        # First: a script whose Java is killed only says that it cannot reach it any more.
        return f"Command failed with exit code {code}: the job was killed by signal {number}"
    with contextlib.suppress(FileNotFoundError, ValueError):  # not there, or cut off by a full disk
        return json.loads(reason.read_text())[:2000]
    return f"Command failed with exit code {code}; the error log says why"


def invalid(message: str) -> ApiError:
    """Glue's refusal of a request that makes no sense."""
    return ApiError("InvalidInputException", message)


def required(request: dict, key: str) -> Any:
    """A member that must be there and not empty."""
    if not request.get(key):
        raise invalid(f"{key} is required.")
    return request[key]


def checked_timeout(minutes: Any) -> int:
    """A job's timeout, in minutes."""
    if not isinstance(minutes, int) or not 1 <= minutes <= 10080:
        raise invalid("Timeout must be between 1 and 10080 minutes.")
    return minutes


def capacity(given: dict) -> dict:
    """The capacity that a job or a run gets: by workers, or in DPUs (10 if nothing is said)."""
    kind, workers, dpus = (given.get(key) for key in ("WorkerType", "NumberOfWorkers", "MaxCapacity"))
    if kind is None and workers is None:
        dpus = float(10 if dpus is None else dpus)
        return {"MaxCapacity": dpus, "AllocatedCapacity": int(dpus)}
    if kind is None or workers is None:
        raise invalid("WorkerType and NumberOfWorkers must be given together.")
    if dpus is not None and dpus != DPUS.get(kind, 0) * workers:
        raise invalid("Please do not set Max Capacity if using Worker Type and Number of Workers.")
    if kind not in DPUS or workers < 1:
        raise invalid(f"WorkerType {kind} with {workers} workers is not valid.")
    total = DPUS[kind] * workers
    workers_of = {"WorkerType": kind, "NumberOfWorkers": workers}
    return workers_of | {"MaxCapacity": float(total), "AllocatedCapacity": total}


def page(items: list, member: str, request: dict) -> dict:
    """One page of a listing; the token is the place of the next."""
    try:
        start, size = int(request.get("NextToken", 0)), int(request.get("MaxResults", 200))
    except ValueError as error:
        raise invalid("NextToken is not one of this listing.") from error
    if not 1 <= size <= 1000:
        raise invalid("MaxResults must be between 1 and 1000.")
    more = {"NextToken": str(start + size)} if start + size < len(items) else {}
    return {member: items[start : start + size]} | more
