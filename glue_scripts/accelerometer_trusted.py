"""accelerometer_trusted: the accelerometer readings of trusted customers. Grain: a reading; it has no key, since
several readings of a person fall on one millisecond."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.job import Job
from lakehouse.outcomes import DUPLICATE, FILTERED, judge
from lakehouse.people import before_consent, consents, person
from lakehouse.tables import columns

COLUMNS = columns("accelerometer_trusted")


def accelerometer_trusted(readings: DataFrame, customers: DataFrame, consent_policy: str) -> DataFrame:
    """accelerometer_landing judged by the consents in ``customers`` (customer_trusted).

    A redelivered reading, all fields equal, counts once. No more rows come out than readings went in, whatever the
    customer table looks like: there is one consent a person.
    """
    fields = [column for column in COLUMNS if column != "user"]
    same_reading = Window.partitionBy("person", *fields).orderBy("user")
    return (
        readings.withColumn("person", person("user"))
        .withColumn("_copy", F.row_number().over(same_reading))
        .join(F.broadcast(consents(customers)), on="person", how="left")
        .select(
            *COLUMNS,
            *judge(
                (F.col("_copy") > 1, DUPLICATE, None),
                (F.col("consented_at").isNull(), FILTERED, "no_consent"),
                (before_consent(consent_policy, "timestamp"), FILTERED, "before_consent"),
            ),
        )
    )


def main() -> None:
    job = Job("accelerometer_trusted")
    readings, customers = job.landing("accelerometer_landing"), job.table("customer_trusted")
    job.publish_kept("accelerometer_landing", accelerometer_trusted(readings, customers, job.consent_policy))


if __name__ == "__main__":
    main()
