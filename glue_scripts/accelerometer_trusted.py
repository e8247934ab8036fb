"""accelerometer_trusted: the accelerometer readings of trusted customers. Grain: a reading; it has no key, since
several readings of a person fall on one millisecond."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.job import Job
from lakehouse.outcomes import FILTERED, judge
from lakehouse.ownership import presences
from lakehouse.people import before_consent, consents, person
from lakehouse.tables import columns

COLUMNS = columns("accelerometer_trusted")


def accelerometer_trusted(readings: DataFrame, customers: DataFrame, consent_policy: str) -> DataFrame:
    """accelerometer_landing judged by the consents in ``customers`` (customer_trusted).

    A redelivered reading, all fields equal, counts once, in the spelling of the person that sorts first. No more rows
    come out than readings went in, whatever the customer table looks like: there is one consent a person.
    """
    # A few thousand spellings of people. Millions of readings are compared by their numbers: a person's is that of the
    # spelling that sorts first.
    spellings = (
        readings.select("user")
        .distinct()
        .withColumn("person", person("user"))
        .withColumn("spelling", F.row_number().over(Window.orderBy("person", "user")))
        .withColumn("person_number", F.min("spelling").over(Window.partitionBy("person")))
        .join(F.broadcast(consents(customers)), on="person", how="left")
        .persist()
    )
    fields = [column for column in COLUMNS if column != "user"]
    return (
        readings.join(F.broadcast(spellings.select("user", "spelling", "person_number")), on="user", how="inner")
        .groupBy("person_number", *fields)
        .agg(F.count("*").alias("copies"), F.min("spelling").alias("spelling"))
        .join(F.broadcast(spellings.select("spelling", "user", "consented_at")), on="spelling", how="inner")
        .select(
            *COLUMNS,
            "copies",
            *judge(
                (F.col("consented_at").isNull(), FILTERED, "no_consent"),
                (before_consent(consent_policy, "timestamp"), FILTERED, "before_consent"),
            ),
        )
    )


def main() -> None:
    job = Job("accelerometer_trusted")
    readings, customers = job.landing("accelerometer_landing"), job.table("customer_trusted")
    job.hand_over(presences(readings, job.run_id))
    job.stage_kept("accelerometer_landing", accelerometer_trusted(readings, customers, job.consent_policy))


if __name__ == "__main__":
    main()
