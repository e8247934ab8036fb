"""Finds and ends the processes of a job run, the JVM and Python's, also when the server that started them has died."""

import contextlib
import os
import time
from collections.abc import Collection

import psutil

#: A run's Python has the run's id and its JVM's in its environment; the JVM, which serves other runs too, and Spark's
#: Python workers have the JVM's.
RUN_ID_VARIABLE = "GLUE_JOB_RUN_ID"
JVM_ID_VARIABLE = "LOCAL_AWS_JVM"
SECONDS_TO_STOP = 5.0


def lives(pid: int) -> bool:
    """Whether there is such a process, and not only its exit code."""
    try:
        status: str = psutil.Process(pid).status()
    except psutil.NoSuchProcess:
        return False
    return status != psutil.STATUS_ZOMBIE


def processes(of: str, sessions: Collection[int] = ()) -> list[psutil.Process]:
    """The living processes of a run, its JVM's among them, or of a JVM, by its id; and those in the sessions."""
    living = [
        (process, process.info["environ"] or {})
        for process in psutil.process_iter(["environ", "status"])
        if process.info["status"] != psutil.STATUS_ZOMBIE
    ]
    ids = {of}
    ids |= {
        found[JVM_ID_VARIABLE] for _, found in living if found.get(RUN_ID_VARIABLE) == of and JVM_ID_VARIABLE in found
    }
    return [
        process
        for process, found in living
        if ids & {found.get(RUN_ID_VARIABLE), found.get(JVM_ID_VARIABLE)} or _session(process.pid) in sessions
    ]


def end_processes(of: str, sessions: Collection[int] = (), *, spare: int | None = None) -> None:
    """Ends the processes of a run or of a JVM, but the one to spare: SIGTERM, and after a few seconds SIGKILL."""
    asked, deadline = False, time.monotonic() + SECONDS_TO_STOP
    # Looked for again and again, since a JVM may fork meanwhile: what it starts to delete its files may end by itself.
    # Not psutil.wait_procs: it would take the exit code of a child from asyncio.
    while left := [process for process in processes(of, sessions) if process.pid != spare]:
        late = time.monotonic() > deadline
        if time.monotonic() > deadline + SECONDS_TO_STOP:
            raise RuntimeError(f"processes {[process.pid for process in left]} of {of} do not end")
        for process in left if late or not asked else []:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill() if late else process.terminate()
        asked = True
        time.sleep(0.05)


def _session(pid: int) -> int | None:
    with contextlib.suppress(ProcessLookupError):
        return os.getsid(pid)
    return None
