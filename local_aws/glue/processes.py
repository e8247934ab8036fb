"""Finds and ends the processes of a job run, the JVM and Python's, also when the server that started them has died."""

import contextlib
import os
import time

import psutil

#: Every process of a run has the run's id in its environment.
RUN_ID_VARIABLE = "GLUE_JOB_RUN_ID"
SECONDS_TO_STOP = 5.0


def processes(run_id: str, session: int | None = None) -> list[psutil.Process]:
    """The living processes of a run: those with its id in their environment, or in its session."""
    return [
        process
        for process in psutil.process_iter(["environ", "status"])
        if process.info["status"] != psutil.STATUS_ZOMBIE
        and ((process.info["environ"] or {}).get(RUN_ID_VARIABLE) == run_id or _is_in(session, process.pid))
    ]


def end_processes(run_id: str, session: int | None = None) -> None:
    """Ends a run's processes: SIGTERM, and after a few seconds SIGKILL."""
    asked: set[psutil.Process] = set()
    deadline = time.monotonic() + SECONDS_TO_STOP
    # Looked for again and again, since a JVM may fork meanwhile. Not psutil.wait_procs: it would take the exit code of
    # a child from asyncio.
    while left := processes(run_id, session):
        late = time.monotonic() > deadline
        if time.monotonic() > deadline + SECONDS_TO_STOP:
            raise RuntimeError(f"processes {[process.pid for process in left]} of run {run_id} do not end")
        for process in left if late else set(left) - asked:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill() if late else process.terminate()
        asked.update(left)
        time.sleep(0.05)


def _is_in(session: int | None, pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        return session is not None and os.getsid(pid) == session
    return False
