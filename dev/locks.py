"""Locks between the commands: a file that the kernel unlocks when the last process that holds it has ended."""

import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from dev.settings import local_root


class Lock:
    """A lock file, which also records the processes that work under it, so that another command can end them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def acquired(self, on_conflict: Exception) -> Iterator[int]:
        """Holds the lock, or raises ``on_conflict``; a child that inherits the given descriptor holds it too."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise on_conflict from None
            self.record(os.getpid())
            yield file.fileno()
            self.path.write_text("")

    def is_held(self) -> bool:
        if not self.path.exists():
            return False
        with self.path.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def record(self, *pids: int) -> None:
        """Records who works under the lock; the first is the one who can end the others."""
        self.path.write_text(json.dumps([(pid, psutil.Process(pid).create_time()) for pid in pids]))

    def end_holders(self, seconds: float) -> bool:
        """Asks the recorded processes to end, and kills those that still hold the lock after ``seconds``.

        Gives whether somebody held it. A process id that by now is somebody else's is left alone.
        """
        if not self.is_held():
            return False
        recorded = json.loads(self.path.read_text() or "[]")
        for process in _alive(recorded[:1]) or _alive(recorded[1:]):
            _signal(process, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while self.is_held() and time.monotonic() < deadline:
            time.sleep(0.1)
        if self.is_held():
            for process in _alive(recorded):
                _signal(process, signal.SIGKILL)
        return True


def run_lock() -> Lock:
    """Whoever holds it has the lake to itself."""
    return Lock(local_root() / "run.lock")


def ui_lock() -> Lock:
    """Held for as long as the UI and its scheduler run."""
    return Lock(local_root() / "ui.lock")


def bench_lock() -> Lock:
    """Held for as long as a benchmark runs, which has a lake of its own."""
    return Lock(local_root() / "bench" / "bench.lock")


def _alive(recorded: list[tuple[int, float]]) -> list[psutil.Process]:
    processes = []
    for pid, created in recorded:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if process.create_time() == created:
                processes.append(process)
    return processes


def _signal(process: psutil.Process, number: int) -> None:
    """Signals a process, with its group if it leads one that was made for it (as those of Airflow do)."""
    with suppress(psutil.NoSuchProcess, ProcessLookupError):
        if os.getsid(process.pid) == process.pid:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
