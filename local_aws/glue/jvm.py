"""A JVM with Spark that stays for the next run: each run's Python attaches to it and has a SparkContext of its own."""

import asyncio
import contextlib
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from dataclasses import dataclass
from pathlib import Path

import psutil

from local_aws.glue import class_archive, spark
from local_aws.glue.jars import jars, spark_home
from local_aws.glue.processes import JVM_ID_VARIABLE, end_processes, lives
from local_aws.settings import LocalAws, jars_directory

RUN_SCRIPT = Path(__file__).with_name("run_script.py")


@dataclass(frozen=True)
class JvmSettings:
    """What a run asks of a JVM: one that was started with equal settings serves it.

    The endpoint, the credentials and the rest of its environment are the server's, and so the same for all.
    """

    #: The job's ``--conf``.
    conf: dict[str, str]
    #: Whether Iceberg is on the class path.
    iceberg: bool


@dataclass(frozen=True)
class Script:
    """A script to run in a directory, which gets two files: ``output``, what it prints, and ``error``, Spark's log."""

    directory: Path
    file: Path
    #: Of its SparkContext.
    name: str
    #: Python files and archives that it imports, and that Spark's Python workers need, too.
    packages: list[Path]
    arguments: list[str]
    environment: dict[str, str]

    @property
    def reason(self) -> Path:
        """Here ``run_script.py`` writes why the script failed."""
        return self.directory / "error.json"

    @property
    def clean(self) -> Path:
        """This file ``run_script.py`` makes when nothing of the script is left in the JVM."""
        return self.directory / "clean"

    @property
    def command(self) -> list[str]:
        packages = ",".join(map(str, self.packages))
        words = [RUN_SCRIPT, self.reason, self.clean, self.name, packages, self.file, *self.arguments]
        return [sys.executable, *map(str, words)]


class JvmError(Exception):
    """The JVM did not start; its exit code, and its log."""

    def __init__(self, code: int, log: str) -> None:
        super().__init__(log)
        self.code = code
        self.log = log


class Jvm:
    """One JVM, which serves one run at a time. Its directory is its own, and is deleted with it."""

    def __init__(self, local_aws: LocalAws, directory: Path, settings: JvmSettings) -> None:
        self._aws = local_aws
        self._directory = directory
        self._process: Process | None = None
        self._log = directory / "log"
        self._tmp = directory / "tmp"
        self.settings = settings
        #: How many runs it has served.
        self.runs = 0
        #: Whether nothing of a run is left in it.
        self.clean = True

    @property
    def class_list(self) -> Path:
        """Where it notes its classes, while there is no class archive."""
        return self._directory / "classes"

    def lives(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and lives(self._process.pid)

    def resident_memory(self) -> int:
        """In bytes."""
        memory: int = psutil.Process(self._process.pid).memory_info().rss if self._process else 0
        return memory

    async def start(self) -> None:
        """Starts it. Raises ``JvmError``, and ``JarsError``."""
        command, environment = await asyncio.to_thread(self._prepare)
        connection = self._directory / "connection"
        environment |= {JVM_ID_VARIABLE: str(self._directory), "_PYSPARK_DRIVER_CONN_INFO_PATH": str(connection)}
        with self._log.open("ab") as log:
            # It ends when its stdin does: also when this server is killed. It works in the directory that is emptied.
            self._process = await asyncio.create_subprocess_exec(
                *command, cwd=self._tmp, env=environment, stdin=PIPE, stdout=log, stderr=log, start_new_session=True
            )
        self._ended = asyncio.create_task(self._process.wait())
        while not connection.exists():
            if self._ended.done():
                raise JvmError(self._ended.result(), self._log.read_text(errors="replace"))
            await asyncio.sleep(0.05)
        content = connection.read_bytes()
        self._gateway = {
            "PYSPARK_GATEWAY_PORT": str(int.from_bytes(content[:4])),
            "PYSPARK_GATEWAY_SECRET": content[8:].decode(),
        }

    def _prepare(self) -> tuple[list[str], dict[str, str]]:
        """Makes its directory; gives the command that starts it, and its environment."""
        self._tmp.mkdir(parents=True)
        log4j2, properties = self._directory / "log4j2.properties", self._directory / "spark.properties"
        conf = dict(self.settings.conf)
        spark.write_log4j2(log4j2)
        # Java asks no environment where its temporary files go.
        java = [f"-Dlog4j2.configurationFile={log4j2.as_uri()}", f'"-Djava.io.tmpdir={self._tmp}"']
        java += [class_archive.options(self.class_list)] if self.settings.iceberg else []
        java += [conf.pop(spark.JAVA_OPTIONS, "")]
        local = spark.settings(self._aws, conf) | {spark.JAVA_OPTIONS: " ".join(java)}
        spark.write_properties(properties, local)
        command: list[str | Path] = [spark_home() / "bin" / "spark-submit", "--properties-file", properties]
        for key, value in conf.items():
            command += ["--conf", f"{key}={value}"]
        environment = spark.environment(self._aws, self._directory) | {
            "SPARK_CONF_DIR": str(jars_directory() / spark.NO_CONFIGURATION),
            "SPARK_LOCAL_DIRS": str(self._tmp),
            # Behind Spark's own jars on the class path: in front, they would replace some of its classes.
            "SPARK_DIST_CLASSPATH": os.pathsep.join(map(str, jars(iceberg=self.settings.iceberg))),
        }
        return [*map(str, command), "pyspark-shell"], environment

    async def run(self, script: Script) -> int:
        """Runs a script in a Python of its own, to its end; gives the exit code.

        Afterwards the JVM is as it was before; where it may not be, it has ended. So it has where this is cancelled.
        """
        self.clean = False
        error, new = script.directory / "error", script.directory / "error.new"
        python: Process | None = None
        try:
            if self.runs:
                os.truncate(self._log, 0)
            self.runs += 1
            # At any moment there is a log to read: the JVM's, while it serves this run.
            new.symlink_to(self._log)
            new.replace(error)
            with (script.directory / "output").open("ab") as output:
                python = await asyncio.create_subprocess_exec(
                    *script.command,
                    cwd=script.directory,
                    env=script.environment | self._gateway | {JVM_ID_VARIABLE: str(self._directory)},
                    stdin=DEVNULL,
                    stdout=output,
                    stderr=STDOUT,
                    start_new_session=True,
                )
            ended = asyncio.create_task(python.wait())
            await asyncio.wait({ended, self._ended}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done() or not self.lives():
                # First: a script whose JVM is killed only says that it cannot reach it any more.
                return await self._ended or 1
            # Hive's own database, Derby, would go on in the JVM without its files.
            if ended.result() == 0 and script.clean.exists() and not (self._tmp / "metastore_db").exists():
                with contextlib.suppress(OSError):  # the disk may be full
                    await asyncio.to_thread(self._clean, python.pid)
                    shutil.copyfile(self._log, new)
                    new.replace(error)
                    self.clean = True
            return ended.result()
        finally:
            if not self.clean:
                await self._end([python.pid] if python else [])
                self._log.replace(error)
                await self.end()

    def _clean(self, python: int) -> None:
        """Ends and deletes what a run has left beside the JVM."""
        assert self._process
        end_processes(str(self._directory), [python, self._process.pid], spare=self._process.pid)
        for path in self._tmp.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    async def end(self) -> None:
        """Ends it, and deletes its directory."""
        await self._end([])
        await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)

    async def _end(self, sessions: list[int]) -> None:
        sessions += [self._process.pid] if self._process else []
        await asyncio.to_thread(end_processes, str(self._directory), sessions)
        if self._process:
            await self._ended
