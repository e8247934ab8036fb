"""Makes Spark's and Iceberg's classes ready for Java once (AppCDS), in the background: 9 s of a small job become 5."""

import asyncio
import contextlib
import hashlib
import logging
import os
from asyncio.subprocess import DEVNULL
from pathlib import Path

from local_aws.glue.jars import jars, java_home, spark_home
from local_aws.glue.spark import NO_CONFIGURATION
from local_aws.settings import jars_directory

#: A run that loaded this class has written an Iceberg table, and so loaded nearly all classes that jobs need.
WRITES_ICEBERG = b"org/apache/iceberg/spark/source/SparkWriteBuilder"

logger = logging.getLogger("local_aws")


def options(class_list: Path) -> str:
    """Java's options for a JVM with Iceberg: use the archive, or note in ``class_list`` the classes it should hold."""
    if (archive := _archive()).exists():
        # Quiet: Java would complain to the job's output, and does without the archive.
        return f'-Xshare:auto -Xlog:disable "-XX:SharedArchiveFile={archive}"'
    return f'"-XX:DumpLoadedClassList={class_list}"'


def is_wanted(class_list: Path) -> bool:
    """Whether a JVM has noted its classes there, and a run in it has used what most runs use."""
    return class_list.exists() and WRITES_ICEBERG in class_list.read_bytes()


async def make(class_list: Path) -> None:
    """Makes the archive out of what a JVM has noted until now, in 20 to 40 s of one core; without it later JVMs only
    start more slowly."""
    archive = _archive()
    new = archive.with_suffix(f".{os.getpid()}")
    noted = Path(f"{new}-noted")
    process = None
    try:
        for old in archive.parent.glob("classes-*"):
            old.unlink()
        # The JVM goes on writing: the last line may not be whole.
        noted.write_bytes(class_list.read_bytes().rpartition(b"\n")[0])
        path = [jars_directory() / NO_CONFIGURATION, spark_home() / "jars" / "*", *jars()]
        java = [java_home() / "bin" / "java", "-Xshare:dump", f"-XX:SharedClassListFile={noted}"]
        java += [f"-XX:SharedArchiveFile={new}", "-cp", os.pathsep.join(map(str, path))]
        command = ["nice", "-n", "19", *map(str, java)]
        process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
        if await process.wait() == 0:
            new.replace(archive)
    except OSError as error:
        logger.warning("No class archive: %s", error)
    finally:
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()
        with contextlib.suppress(OSError):
            for file in (new, noted, class_list):
                file.unlink(missing_ok=True)


def _archive() -> Path:
    """Its name changes with every jar and with Java, so that an archive that Java would ignore is made again."""
    files = [*sorted((spark_home() / "jars").glob("*.jar")), *jars(), java_home() / "lib" / "modules"]
    state = [f"{file} {file.stat().st_mtime_ns} {file.stat().st_size}" for file in files]
    return jars_directory() / f"classes-{hashlib.sha256(repr(state).encode()).hexdigest()[:16]}.jsa"
