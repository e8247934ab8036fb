"""Which JVM serves a run: the one that the last run has left, or a new one."""

import asyncio
import contextlib
import json
import logging
import secrets
import shutil
from collections.abc import Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import Any

from local_aws.glue import class_archive, spark
from local_aws.glue.jvm import Jvm, JvmSettings, Script
from local_aws.glue.processes import end_processes
from local_aws.settings import LocalAws

#: A JVM that nobody has used for so long ends.
IDLE_MINUTES = 10
#: So does one that has served so many runs, or that holds so much memory (bytes): a run may leave something behind.
MOST_RUNS = 50
MOST_MEMORY = 1_500_000_000

WARM_UP = Path(__file__).with_name("warm_up.py")

logger = logging.getLogger("local_aws")


class Jvms:
    """The JVMs of one local AWS, in ``directory``. One of them may be idle: it waits for a run with its settings."""

    def __init__(self, local_aws: LocalAws, directory: Path) -> None:
        self._aws = local_aws
        self._directory = directory / "jvms"
        self._last = directory / "last_settings.json"
        self._idle: Jvm | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._warming: tuple[JvmSettings, asyncio.Task[None]] | None = None
        self._archiving: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        for left in self._directory.glob("*"):  # by a server that was killed
            end_processes(str(left))
            shutil.rmtree(left, ignore_errors=True)

    def warm_up(self) -> None:
        """Starts a JVM for the next run in the background, if the settings of a last one are known."""
        with contextlib.suppress(OSError, ValueError, TypeError):  # there is none, or the disk was full
            settings = JvmSettings(**json.loads(self._last.read_text()))
            self._warming = settings, self._in_background(self._warm_up(settings))

    async def take(self, settings: JvmSettings) -> Jvm:
        """A JVM with these settings for one run; to be given back. Raises ``JvmError``, and ``JarsError``."""
        if self._warming and self._warming[0] == settings:
            await asyncio.wait([self._warming[1]])  # it takes less time than another that starts beside it
        if self._idle and not self._idle.lives():
            self._replace_idle(None)
        if self._idle and self._idle.settings == settings:
            jvm, self._idle = self._idle, None
            return jvm
        return await self._start(settings)

    async def give_back(self, jvm: Jvm) -> None:
        """Keeps the JVM for the next run, or ends it."""
        if not jvm.clean or not jvm.lives():
            return await jvm.end()
        if class_archive.is_wanted(jvm.class_list) and self._archiving is None:
            self._archiving = self._in_background(class_archive.make(jvm.class_list))
        if self._closing or jvm.runs >= MOST_RUNS or jvm.resident_memory() > MOST_MEMORY:
            return await jvm.end()
        return self._replace_idle(jvm)

    def remember(self, settings: JvmSettings) -> None:
        """Notes the settings of a run that succeeded, for the next start of the local AWS."""
        text, new = json.dumps(asdict(settings)), self._last.with_suffix(".new")
        with contextlib.suppress(OSError):
            if not self._last.exists() or self._last.read_text() != text:
                new.write_text(text)
                new.replace(self._last)

    async def close(self) -> None:
        """Ends the idle JVM, and what goes on in the background."""
        self._closing = True
        for task in (self._warming and self._warming[1], self._archiving):
            if task:
                task.cancel()
        self._replace_idle(None)
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _start(self, settings: JvmSettings) -> Jvm:
        jvm = Jvm(self._aws, self._directory / secrets.token_hex(8), settings)
        try:
            await jvm.start()
        except BaseException:
            await jvm.end()
            raise
        return jvm

    async def _warm_up(self, settings: JvmSettings) -> None:
        """A JVM is fast when it has loaded and compiled what most runs use."""
        directory = self._directory / "warm-up"
        try:
            directory.mkdir(parents=True)
            jvm = await self._start(settings)
            await jvm.run(Script(directory, WARM_UP, "warm-up", [], [], spark.environment(self._aws, directory)))
            await self.give_back(jvm)
        except Exception as error:  # the next run starts its own
            logger.warning("No JVM was warmed up: %s", error)
        finally:
            self._warming = None
            shutil.rmtree(directory, ignore_errors=True)

    def _replace_idle(self, jvm: Jvm | None) -> None:
        if self._expiry:
            self._expiry.cancel()
        if self._idle:
            self._in_background(self._idle.end())
        self._idle = jvm
        if jvm:
            seconds = IDLE_MINUTES * self._aws.seconds_per_minute
            self._expiry = asyncio.get_running_loop().call_later(seconds, self._replace_idle, None)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
