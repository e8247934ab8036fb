"""machine_learning_curated: step readings with the accelerometer readings of the same person at the same instant.
Grain: a step reading and an accelerometer reading. Nothing in it names a person."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.job import Job
from lakehouse.outcomes import FILTERED, judge
from lakehouse.people import person

COLUMNS = ("serialnumber", "sensorreadingtime", "distancefromobject", "timestamp", "x", "y", "z")

#: ``time`` joins on the instant alone, as is commonly published; it pairs different people and is for comparison only.
MATCH_ON = {"customer_and_time": ["person", "timestamp"], "time": ["timestamp"]}


def _keys(match_on: str) -> list[str]:
    if match_on not in MATCH_ON:
        raise ValueError(f"match_on is {match_on!r}; it must be one of {', '.join(MATCH_ON)}")
    return MATCH_ON[match_on]


def steps_of_people(steps: DataFrame, owners: DataFrame) -> DataFrame:
    """step_trainer_trusted with its join columns: the owner (``person``) and the instant (``timestamp``).

    ``owners`` (device_owners) has one owner a device, so that no row is lost or multiplied here.
    """
    people = owners.select("serialnumber", F.col("email").alias("person"))
    return steps.join(people, on="serialnumber", how="left").withColumn("timestamp", F.col("sensorreadingtime"))


def readings_of_people(readings: DataFrame) -> DataFrame:
    """accelerometer_trusted with its join columns, ``person`` and ``timestamp``."""
    return readings.withColumn("person", person("user"))


def machine_learning_curated(steps: DataFrame, readings: DataFrame, match_on: str) -> DataFrame:
    """Every trusted step reading with every trusted accelerometer reading that matches it. Never DISTINCT: two equal
    rows are two measurements."""
    return steps.join(readings.select("person", "timestamp", "x", "y", "z"), on=_keys(match_on), how="inner").select(
        *COLUMNS
    )


def matched(records: DataFrame, others: DataFrame, match_on: str) -> DataFrame:
    """One source of the join judged: kept are the ``records`` that have a partner among ``others``."""
    keys = _keys(match_on)
    partners = others.select(*keys).distinct().withColumn("_has_partner", F.lit(True))
    return records.join(partners, on=keys, how="left").select(
        "timestamp", *judge((F.col("_has_partner").isNull(), FILTERED, "no_reading_at_instant"))
    )


def main() -> None:
    job = Job("machine_learning_curated")
    trusted_steps = job.trusted("step_trainer_trusted")
    trusted_readings = job.trusted("accelerometer_trusted")
    steps = steps_of_people(trusted_steps, job.trusted("device_owners")).persist()
    readings = readings_of_people(trusted_readings)
    job.publish(
        machine_learning_curated(steps, readings, job.match_on),
        step_trainer_trusted=(trusted_steps, matched(steps, readings, job.match_on)),
        accelerometer_trusted=(trusted_readings, matched(readings, steps, job.match_on)),
    )


if __name__ == "__main__":
    main()
