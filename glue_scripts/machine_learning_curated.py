"""machine_learning_curated: step readings with the accelerometer readings of the same person at the same instant.
Grain: a step reading and an accelerometer reading. Nothing in it names a person."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.job import Job
from lakehouse.outcomes import FILTERED, judge
from lakehouse.people import person
from lakehouse.tables import columns

COLUMNS = columns("machine_learning_curated")
#: What it takes from the accelerometer readings, beside the columns to join on.
MEASUREMENTS = [column for column in columns("accelerometer_trusted") if column in COLUMNS and column != "timestamp"]


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
    measurements = readings.select("person", "timestamp", *MEASUREMENTS)
    return steps.join(measurements, on=["person", "timestamp"], how="inner").select(*COLUMNS)


def matched(records: DataFrame, others: DataFrame) -> DataFrame:
    """One source of the join judged: kept are the ``records`` that have a partner among ``others``."""
    keys = ["person", "timestamp"]
    partners = others.select(*keys).distinct().withColumn("_has_partner", F.lit(True))
    return records.join(partners, on=keys, how="left").select(
        "timestamp", *judge((F.col("_has_partner").isNull(), FILTERED, "no_reading_at_instant"))
    )


def main() -> None:
    job = Job("machine_learning_curated")
    steps = steps_of_people(job.table("step_trainer_trusted"), job.table("device_owners")).persist()
    readings = readings_of_people(job.table("accelerometer_trusted"))
    job.publish(
        machine_learning_curated(steps, readings),
        judged={
            "step_trainer_trusted": matched(steps, readings),
            "accelerometer_trusted": matched(readings, steps),
        },
    )


if __name__ == "__main__":
    main()
