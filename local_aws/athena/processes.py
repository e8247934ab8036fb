"""The engine's processes: each query has one to itself, and some wait for the next ones with DuckDB loaded."""

import asyncio
import contextlib
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

from local_aws.athena.errors import QueryFailed
from local_aws.settings import PROJECT


def machine_memory() -> int:
    """The bytes of memory that this machine, or the container, has."""
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    allowed = limit.read_text().strip() if limit.exists() else "max"
    return min(installed, int(allowed)) if allowed.isdigit() else installed


#: A client that asks twice in a row need not wait for DuckDB to load.
SPARES = 2


class Processes:
    """Starts and ends ``local_aws.athena.engine``; on the event loop."""

    def __init__(self) -> None:
        self._spares: list[asyncio.Future[Process]] = []

    def prepare(self) -> None:
        """Lets processes load DuckDB already, for the next queries."""
        while len(self._spares) < SPARES:
            self._spares.append(asyncio.create_task(_new_process()))

    async def run(self, job: dict[str, Any]) -> dict[str, Any]:
        """The engine's answer to a job; raises ``QueryFailed`` with its reason. A cancelled call ends the process."""
        process = None
        if self._spares and self._spares[0].done():
            process = self._spares.pop(0).result()
        if process is None or process.returncode is not None:
            process = await _new_process()
        assert process.stdin and process.stdout
        try:
            process.stdin.write(json.dumps(job).encode() + b"\n")
            with contextlib.suppress(ConnectionError):
                await process.stdin.drain()
            if not self._spares:
                self.prepare()
            line = await process.stdout.readline()
            if not line:
                raise QueryFailed("EXCEEDED_LOCAL_MEMORY_LIMIT: the query's process was ended")
            answer: dict[str, Any] = json.loads(line)
            if answer.pop("stays") and len(self._spares) < SPARES:
                spare = asyncio.get_running_loop().create_future()
                spare.set_result(process)
                self._spares.append(spare)  # it connects anew while the others work
                process = None
            return answer
        finally:
            if process is not None:
                await _end(process)
            self.prepare()

    async def close(self) -> None:
        for spare in self._spares:
            await _end(await spare)


async def _new_process() -> Process:
    command = (sys.executable, "-m", "local_aws.athena.engine")
    return await asyncio.create_subprocess_exec(
        *command, cwd=PROJECT, stdin=PIPE, stdout=PIPE, limit=2**26, start_new_session=True
    )


async def _end(process: Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
