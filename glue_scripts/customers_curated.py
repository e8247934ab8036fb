"""customers_curated: the trusted customers who have readings. Grain: person and serial number."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.job import Job
from lakehouse.landing import columns
from lakehouse.outcomes import FILTERED, judge
from lakehouse.people import person

COLUMNS = tuple(columns("customer_landing"))


def customers_curated(customers: DataFrame, readings: DataFrame) -> DataFrame:
    """customer_trusted judged: kept are the customers with at least one reading in accelerometer_trusted."""
    with_reading = readings.select(person("user").alias("person")).distinct().withColumn("_has_reading", F.lit(True))
    return (
        customers.withColumn("person", person("email"))
        .join(with_reading, on="person", how="left")
        .select(*COLUMNS, *judge((F.col("_has_reading").isNull(), FILTERED, "no_reading")))
    )


def main() -> None:
    job = Job("customers_curated")
    customers = job.trusted("customer_trusted")
    judged = customers_curated(customers, job.trusted("accelerometer_trusted"))
    job.publish_kept("customer_trusted", customers, judged)


if __name__ == "__main__":
    main()
