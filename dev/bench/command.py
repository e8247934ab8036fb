"""Runs the benchmark: the pipeline and the yardsticks at each scale, one after the other."""

import contextlib
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from dev import PROJECT
from dev.bench import data, report
from dev.bench.measure import Meter, Usage, wait_for_exit
from dev.locks import bench_lock
from dev.settings import CommandError, display_path, local_root
from dev.summary import first_line
from dev.terminal import ProgressLine, print_line
from local_aws import service
from local_aws.glue.jars import java_home
from local_aws.settings import LOCK, LocalAws, free_port
from stedi.tables import JOBS

SCALES = ("1", "30", "100", "30h")
#: A scale that takes seconds is measured so often, and the medians count.
ROUNDS = 3
#: What a process gets to end when the benchmark is stopped.
STOP_SECONDS = 60
BENCH = Path(__file__).parent

#: What was used, or why it could not be measured.
Found = Usage | str
Results = dict[str, Any]


def bench(scales: str, *, rounds: int = ROUNDS, docs: bool = False) -> int:
    """Measures the scales, and prints and writes the results; returns the exit code.

    scales: names, separated by blanks; those of an earlier call that are not measured again stay in the results.
    docs: the results go to ``docs/`` too.
    """
    chosen = [data.Scale(name) for name in scales.split() or SCALES]
    root = local_root() / "bench"
    root.mkdir(parents=True, exist_ok=True)
    with bench_lock().acquired(CommandError("another benchmark is running; wait for it, or end it with `make stop`")):
        with ProgressLine() as progress, _Bench(root, rounds, progress) as running:
            results = running.measure(chosen)
        for folder in [root, PROJECT / "docs"] if docs else [root]:
            report.write(results, folder)
    report.show(results, running.console)
    print_line(running.console, f"Results: {display_path(root)}/results.json, benchmark.md and benchmark.svg")
    failed = [
        name
        for scale in chosen
        for name, found in results["scales"][scale.name]["measured"].items()
        if "failed" in found
    ]
    return 1 if failed else 0


@dataclass
class _Ended:
    """A process that has ended."""

    code: int
    lines: list[str]
    meter: Meter

    def result(self) -> Found:
        return self.meter.usage("all") if self.code == 0 else _reason(self.lines, self.code)


def _reason(lines: list[str], code: int) -> str:
    """Why a process failed, out of what it printed."""
    telling = [line for line in lines if "Error" in line or "Exception" in line or line.startswith("error:")]
    return (telling or lines or [f"exit code {code}"])[-1].strip()[:300]


class _Bench:
    """A benchmark on a lake and a local AWS of its own, which ends with it."""

    def __init__(self, root: Path, rounds: int, progress: ProgressLine) -> None:
        self._root = root
        self._rounds = rounds
        self._state = root / "state"
        self._work = root / "work"
        self._aws = LocalAws(free_port(), self._state / "aws")
        self._log = root / "bench.log"
        self._progress = progress
        self.console = progress.console

    def __enter__(self) -> "_Bench":
        self._log.write_text("")
        service.stop(self._aws)  # which a killed benchmark has left
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._work, ignore_errors=True)
        service.stop(self._aws)

    # --- what happens in which order ---

    def measure(self, scales: Iterable[data.Scale]) -> Results:
        print_line(self.console, "Let nothing else run on this machine meanwhile. Your lake stays as it is.")
        print_line(self.console, f"Log: {display_path(self._log)}")
        path = self._root / "results.json"
        results: Results = json.loads(path.read_text()) if path.exists() else {"scales": {}}
        results["machine"] = _machine()
        self._prepare()
        for scale in scales:
            results["scales"][scale.name] = self._scale(scale)
            draft = path.with_suffix(".new")
            draft.write_text(json.dumps(results, indent=2) + "\n")
            draft.replace(path)
        return results

    def _prepare(self) -> None:
        """A first run makes what later ones use again: Airflow's database, an archive of Java's classes."""
        self._now("preparing: a run on the sample data")
        ended = self._pipeline(PROJECT / "include" / "sample")
        if ended.code:
            reason = _reason(ended.lines, ended.code)
            raise CommandError(f"the pipeline fails on the sample data: {reason}; see {display_path(self._log)}")
        self._settle()

    def _scale(self, scale: data.Scale) -> dict[str, Any]:
        self._now(f"{scale.name}x: generating the data")
        started = time.monotonic()
        landing = data.landing(scale, self._root / "data")
        self._print(scale, "data", f"{sum(landing.records.values()):,} records, {landing.megabytes:,} MB")
        small = scale.times <= 1
        rounds = []
        for _ in range(self._rounds if small else 1):
            found: dict[str, Found] = {}
            steps: list[Callable[[], dict[str, Found]]] = [
                lambda: self._run(landing),
                lambda: self._bare(landing),
                lambda: self._readers(landing),
            ]
            if small:
                steps.insert(0, lambda: self._cold_run(landing))
            for step in steps:
                for name, usage in step().items():
                    found[name] = usage
                    self._print(scale, name, usage)
            rounds.append(found)
        return {
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "took_seconds": round(time.monotonic() - started),
            "hours": data.HOURS[scale.kind],
            "records": landing.records,
            "megabytes": landing.megabytes,
            "rounds": len(rounds),
            "measured": {name: _median([found[name] for found in rounds]) for name in rounds[0]},
        }

    def _now(self, what: str) -> None:
        self._progress.now(what)
        self._doing = what

    def _print(self, scale: data.Scale, what: str, found: Found) -> None:
        if isinstance(found, Usage):
            memory = f"{found.peak_megabytes:,.0f} MB"
            text = f"{found.seconds:8.1f} s {found.cpu_seconds:8.1f} CPU s {memory:>9}"
        else:
            text = found
        failed = isinstance(found, str) and what != "data"
        print_line(
            self.console,
            f"{scale.name + 'x':<6}{what:<31}{'failed: ' if failed else ''}{text}",
            "red" if failed else None,
        )

    # --- the pipeline ---

    def _cold_run(self, landing: data.Landing) -> dict[str, Found]:
        service.stop(self._aws)
        self._now("the pipeline, its local AWS not yet started")
        found = self._pipeline(landing.directory).result()
        self._settle()
        return {"cold_run": found}

    def _run(self, landing: data.Landing) -> dict[str, Found]:
        self._now("the pipeline")
        ended = self._pipeline(landing.directory)
        summary = self._state / "summary.json"
        tasks = json.loads(summary.read_text()) if summary.exists() else {"tasks": [], "failures": []}
        reasons = {failure["task_id"]: failure["reason"] for failure in tasks["failures"]}
        found: dict[str, Found] = {"run": ended.result()}
        if ended.code and reasons:
            found["run"] = "; ".join(f"{task}: {reason}" for task, reason in reasons.items())[:300]
        done = {task["task_id"]: task for task in tasks["tasks"]}
        # And what finds the files that they leave out.
        checks = [task for task in done if task.startswith("checks.") or task == "unreadable_files"]
        found["jobs"] = _tasks(JOBS, done, reasons, ended.meter)
        found |= {f"jobs.{job}": _tasks([job], done, reasons, ended.meter) for job in JOBS}
        found["checks"] = _tasks(checks, done, reasons, ended.meter) if checks else "no check has run"
        return found

    def _pipeline(self, landing: Path) -> _Ended:
        self._state.mkdir(exist_ok=True)
        (self._state / "summary.json").unlink(missing_ok=True)
        # The user's settings of the pipeline stand, but the lake is the benchmark's own.
        environment = os.environ | {"STEDI_LOCAL": str(self._state), "LOCAL_AWS_PORT": str(self._aws.port)}
        command = [sys.executable, "-m", "dev", "run", "--landing", str(landing)]
        return self._execute(command, environment, {"aws": self._server})

    def _server(self) -> list[int]:
        with contextlib.suppress(OSError, ValueError):
            return [int(json.loads((self._aws.state / LOCK).read_text())["pid"])]
        return []

    def _settle(self) -> None:
        """Waits until the local AWS does nothing any more, a minute at most: it makes Java's class archive."""
        with Meter({"aws": self._server}) as meter:
            for _ in range(30):
                begin = time.time()
                time.sleep(2)
                meter.look()
                if meter.usage("aws", begin).cpu_seconds < 0.2:
                    return

    # --- the yardsticks ---

    def _bare(self, landing: data.Landing) -> dict[str, Found]:
        shutil.rmtree(self._work, ignore_errors=True)
        found: dict[str, Found] = {}
        for table in JOBS:
            self._now(f"bare script {table}")
            script = [sys.executable, str(BENCH / "bare" / f"{table}.py"), str(landing.directory), str(self._work)]
            found[f"bare.{table}"] = self._execute(script, spark_environment(self._work)).result()
            if isinstance(found[f"bare.{table}"], str):
                break
        total: Found = Usage(0.0, 0.0, 0.0)
        for name, usage in found.items():
            if isinstance(usage, str):
                total = f"{name}: {usage}"
            elif isinstance(total, Usage):
                total += usage
        shutil.rmtree(self._work, ignore_errors=True)
        return {"bare": total, **found}

    def _readers(self, landing: data.Landing) -> dict[str, Found]:
        found: dict[str, Found] = {}
        for reader in ("spark", "lakehouse"):
            self._now(f"reading the sources, {reader}")
            command = [sys.executable, str(BENCH / "reader.py"), reader, str(landing.directory)]
            found[f"reader.{reader}"] = self._execute(command, spark_environment(self._work)).result()
        shutil.rmtree(self._work, ignore_errors=True)
        return found

    # --- processes ---

    def _execute(
        self,
        command: list[str],
        environment: Mapping[str, str],
        more: Mapping[str, Callable[[], Iterable[int]]] | None = None,
    ) -> _Ended:
        """Runs a process to its end and measures it, in the group ``all``, with the groups ``more``."""
        more = more or {}
        lines: list[str] = []
        with _process(command, environment) as process, self._log.open("a") as log:
            everything = {"all": lambda: [process.pid, *(pid for group in more.values() for pid in group())]}
            with Meter({**everything, **more}) as meter:
                assert process.stdout
                print(f"--- {self._doing}: {' '.join(command)}", file=log, flush=True)
                for line in process.stdout:
                    print(line.rstrip(), file=log, flush=True)
                    lines.append(line)
                    if word := line.strip().partition(" ")[0]:
                        self._progress.more(f"{self._doing}: {word}")
                wait_for_exit(process.pid)
                meter.look()
            return _Ended(process.wait(), lines, meter)


@contextlib.contextmanager
def _process(command: list[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process in a session of its own, which is ended with all that it left there."""
    process = subprocess.Popen(
        command,
        cwd=PROJECT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        yield process
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(STOP_SECONDS)


def spark_environment(work: Path) -> dict[str, str]:
    """The environment of a bare script: two cores and 2 GB as for the local Glue's jobs, else Spark's defaults."""
    work.mkdir(parents=True, exist_ok=True)
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.executorEnv.PYTHONPATH": str(PROJECT / "glue_scripts"),
    }
    options = " ".join(f"--conf {name}={value}" for name, value in settings.items())
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))}
    return inherited | {
        "JAVA_HOME": str(java_home()),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_SUBMIT_ARGS": f"--master local[2] --driver-memory 2g {options} pyspark-shell",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(work),
    }


def _tasks(ids: Iterable[str], done: Mapping[str, Any], reasons: Mapping[str, str], meter: Meter) -> Found:
    """What the local AWS used during these tasks, which ran one after the other."""
    total = Usage(0.0, 0.0, 0.0)
    for task_id in ids:
        task = done.get(task_id)
        if task is None or task["state"] != "success":
            return f"{task_id}: {first_line(reasons.get(task_id, task['state'] if task else 'did not run'))}"
        if task["attempts"] > 1:
            return f"{task_id} needed {task['attempts']} attempts"
        total += meter.usage("aws", task["started"], task["started"] + task["seconds"])
    return total


def _median(found: list[Found]) -> dict[str, Any]:
    """Of each number by itself; what failed once has failed."""
    for usage in found:
        if isinstance(usage, str):
            return {"failed": usage}
    values = [asdict(usage) for usage in found if isinstance(usage, Usage)]
    return {field.name: round(statistics.median(v[field.name] for v in values), 2) for field in fields(Usage)}


def _machine() -> dict[str, Any]:
    return {
        "cores": psutil.cpu_count(),
        "memory_gigabytes": round(psutil.virtual_memory().total / 2**30),
        "system": platform.system(),
        "python": platform.python_version(),
    }
