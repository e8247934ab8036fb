"""machine_learning_curated: step readings with the accelerometer readings of the same person at the same instant.
Grain: a step reading and an accelerometer reading. Nothing in it names a person."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.job import Job
from lakehouse.outcomes import FILTERED, KEPT, Count
from lakehouse.people import person
from lakehouse.tables import columns

COLUMNS = columns("machine_learning_curated")
#: What it takes from the accelerometer readings, beside the columns to join on.
MEASUREMENTS = [column for column in columns("accelerometer_trusted") if column in COLUMNS and column != "timestamp"]
KEYS = ["person", "timestamp"]


def steps_of_people(steps: DataFrame, owners: DataFrame) -> DataFrame:
    """step_trainer_trusted with its join columns: the owner (``person``) and the instant (``timestamp``).

    ``owners`` (device_owners) has one owner a device, so that no row is lost or multiplied here.
    """
    people = owners.select("serialnumber", F.col("email").alias("person"))
    return steps.join(people, on="serialnumber", how="left").withColumn("timestamp", F.col("sensorreadingtime"))


def readings_of_people(readings: DataFrame) -> DataFrame:
    """accelerometer_trusted with its join columns, ``person`` and ``timestamp``."""
    return readings.withColumn("person", person("user"))


def machine_learning_curated(steps: DataFrame, readings: DataFrame) -> DataFrame:
    """Every trusted step reading with every trusted accelerometer reading of the device's owner at the same instant.
    Never DISTINCT: two equal rows are two measurements."""
    return steps.join(readings.select(*KEYS, *MEASUREMENTS), on=KEYS, how="inner").select(*COLUMNS)


def count_matches(steps: DataFrame, readings: DataFrame) -> tuple[list[Count], list[Count]]:
    """The outcomes of the steps and of the readings: kept are those that have a partner on the other side."""
    none, one = F.lit(0), F.lit(1)
    both = steps.select(*KEYS, one.alias("steps"), none.alias("readings")).union(readings.select(*KEYS, none, one))
    counted = (
        both.groupBy(*KEYS)
        .agg(F.sum("steps").alias("steps"), F.sum("readings").alias("readings"))
        .agg(
            F.sum(F.when(F.col("readings") > 0, F.col("steps"))).alias("steps_kept"),
            F.sum("steps").alias("steps"),
            F.sum(F.when(F.col("steps") > 0, F.col("readings"))).alias("readings_kept"),
            F.sum("readings").alias("readings"),
        )
        .collect()[0]
    )

    def outcomes(records: int | None, matched: int | None) -> list[Count]:
        found = [
            Count(KEPT, None, matched or 0),
            Count(FILTERED, "no_reading_at_instant", (records or 0) - (matched or 0)),
        ]
        return [count for count in found if count.records]

    return outcomes(counted.steps, counted.steps_kept), outcomes(counted.readings, counted.readings_kept)


def main() -> None:
    job = Job("machine_learning_curated")
    steps = steps_of_people(job.table("step_trainer_trusted"), job.table("device_owners"))
    readings = readings_of_people(job.table("accelerometer_trusted"))
    of_steps, of_readings = count_matches(steps, readings)
    job.stage(
        machine_learning_curated(steps, readings),
        judged={"step_trainer_trusted": of_steps, "accelerometer_trusted": of_readings},
    )


if __name__ == "__main__":
    main()
