"""customers_curated: the trusted customers who have readings. Grain: person and serial number."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.job import Job
from lakehouse.outcomes import FILTERED, judge
from lakehouse.people import person
from lakehouse.tables import columns

COLUMNS = columns("customers_curated")


def customers_curated(customers: DataFrame, readings: DataFrame) -> DataFrame:
    """customer_trusted judged: kept are the customers with at least one reading in accelerometer_trusted."""
    users = readings.select("user").distinct()
    with_reading = users.select(person("user").alias("person")).distinct().withColumn("_has_reading", F.lit(True))
    return (
        customers.withColumn("person", person("email"))
        .join(with_reading, on="person", how="left")
        .select(*COLUMNS, F.lit(1).alias("copies"), *judge((F.col("_has_reading").isNull(), FILTERED, "no_reading")))
    )


def main() -> None:
    job = Job("customers_curated")
    customers, readings = job.table("customer_trusted"), job.table("accelerometer_trusted")
    job.stage_kept("customer_trusted", customers_curated(customers, readings))


if __name__ == "__main__":
    main()
