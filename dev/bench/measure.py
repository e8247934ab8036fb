"""Measures processes with all that they start: seconds, CPU seconds, and the most memory at one time."""

import contextlib
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import psutil

#: Between two looks; each takes some milliseconds of one core.
INTERVAL = 0.2


@dataclass(frozen=True)
class Usage:
    """What something took. Memory is the sum of what the processes have in memory; shared pages count for each."""

    seconds: float
    cpu_seconds: float
    peak_megabytes: float

    def __add__(self, other: "Usage") -> "Usage":
        """One after the other."""
        return Usage(
            self.seconds + other.seconds,
            self.cpu_seconds + other.cpu_seconds,
            max(self.peak_megabytes, other.peak_megabytes),
        )


@dataclass
class _Seen:
    """A process when it was last seen: its own CPU time, and that of the children which it has outlived."""

    parent: int
    own: float = 0.0
    reaped: float = 0.0


class _Tree:
    """A group of processes with all their descendants, those too that have ended or were orphaned."""

    def __init__(self) -> None:
        self._seen: dict[psutil.Process, _Seen] = {}
        self._alive: set[psutil.Process] = set()

    def look(self, roots: Iterable[int], children: Mapping[int, list[psutil.Process]]) -> tuple[float, int]:
        """(CPU seconds up to now, bytes in memory)"""
        memory = 0
        alive: set[psutil.Process] = set()
        # Those seen alive too, since one may have lost its parent.
        waiting = [process for process in self._alive if process.is_running()]
        for pid in roots:
            with contextlib.suppress(psutil.NoSuchProcess):
                waiting.append(psutil.Process(pid))
        while waiting:
            process = waiting.pop()
            if process in alive:
                continue
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied), process.oneshot():
                times = process.cpu_times()
                seen = self._seen.setdefault(process, _Seen(process.ppid()))
                seen.own = times.user + times.system
                seen.reaped = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
                alive.add(process)
                memory += process.memory_info().rss
                waiting += children.get(process.pid, [])
        self._alive = alive
        return self._cpu_seconds(), memory

    def _cpu_seconds(self) -> float:
        # What a process has from ended children, beyond what was seen of them, is of their last moments, or of
        # children that lived between two looks.
        gone: dict[int, float] = defaultdict(float)
        for process, seen in self._seen.items():
            if process not in self._alive:
                gone[seen.parent] += seen.own + seen.reaped
        return sum(seen.own + max(0.0, seen.reaped - gone[process.pid]) for process, seen in self._seen.items())


class Meter:
    """Looks at groups of processes, as long as this context lasts.

    groups: for each name, what gives the ids of the processes whose trees it is, at any time.
    """

    def __init__(self, groups: Mapping[str, Callable[[], Iterable[int]]]) -> None:
        self._groups = groups
        self._trees = {name: _Tree() for name in groups}
        #: When (seconds since 1970), and for each group the CPU seconds and the bytes.
        self._samples: list[tuple[float, dict[str, tuple[float, int]]]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Meter":
        self.look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(INTERVAL):
            self.look()

    def look(self) -> None:
        children = defaultdict(list)
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                children[process.ppid()].append(process)
        found = {name: tree.look(self._groups[name](), children) for name, tree in self._trees.items()}
        self._samples.append((time.time(), found))

    def usage(self, group: str, begin: float | None = None, end: float | None = None) -> Usage:
        """What a group took between two times, in seconds since 1970; by default, from the first look to the last."""
        begin = self._samples[0][0] if begin is None else begin
        end = self._samples[-1][0] if end is None else end
        within = [found[group][1] for at, found in self._samples if begin <= at <= end]
        nearest = min(self._samples, key=lambda sample: abs(sample[0] - end))[1][group][1]
        cpu = self._cpu_seconds(group, end) - self._cpu_seconds(group, begin)
        return Usage(end - begin, max(0.0, cpu), max(within, default=nearest) / 1e6)

    def _cpu_seconds(self, group: str, moment: float) -> float:
        """Up to a moment, which mostly lies between two looks."""
        before_at, before = self._samples[0][0], self._samples[0][1][group][0]
        for at, found in self._samples:
            if at >= moment:
                share = (moment - before_at) / (at - before_at) if at > before_at and moment > before_at else 0.0
                return before + share * (found[group][0] - before)
            before_at, before = at, found[group][0]
        return before


def wait_for_exit(pid: int) -> None:
    """Waits for the end of a child and leaves it to be looked at once more: by then it has its children's CPU time."""
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
