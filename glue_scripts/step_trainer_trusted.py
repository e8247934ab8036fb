"""step_trainer_trusted: the step readings of the devices of curated customers. Grain: device and instant."""

from lakehouse.job import Job
from lakehouse.outcomes import DUPLICATE, FILTERED, REFUSED, SUPERSEDED, judge
from lakehouse.ownership import device_owners
from lakehouse.people import before_consent, consents
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

COLUMNS = ("sensorreadingtime", "serialnumber", "distancefromobject")


def step_trainer_trusted(
    readings: DataFrame, all_customers: DataFrame, curated: DataFrame, consent_policy: str
) -> DataFrame:
    """step_trainer_landing judged by whose device it is (``all_customers``: customer_landing) and by that person's
    consent (``curated``: customers_curated).

    (serialnumber, sensorreadingtime) is the key. Two different distances at one instant of one device cannot both be
    right; the smaller one is kept, for want of anything that tells them apart.
    """
    same_key = Window.partitionBy("serialnumber", "sensorreadingtime").orderBy("distancefromobject")
    same_reading = Window.partitionBy(*COLUMNS).orderBy(F.lit(0))
    return (
        readings.withColumn("_copy", F.row_number().over(same_reading))
        .withColumn("_rank", F.dense_rank().over(same_key))
        .join(F.broadcast(device_owners(all_customers)), on="serialnumber", how="left")
        .join(F.broadcast(consents(curated).withColumnRenamed("person", "owner")), on="owner", how="left")
        .select(
            *COLUMNS,
            *judge(
                (F.col("_copy") > 1, DUPLICATE, None),
                (F.col("_rank") > 1, SUPERSEDED, None),
                (F.col("claims").isNull(), REFUSED, "owner_unknown"),
                (F.col("owner").isNull(), REFUSED, "owner_ambiguous"),
                (F.col("consented_at").isNull(), FILTERED, "owner_not_curated"),
                (before_consent(consent_policy, "sensorreadingtime"), FILTERED, "before_consent"),
            ),
        )
    )


def main() -> None:
    job = Job("step_trainer_trusted")
    readings = job.landing("step_trainer_landing")
    judged = step_trainer_trusted(
        readings, job.landing("customer_landing"), job.trusted("customers_curated"), job.consent_policy
    )
    job.publish_kept("step_trainer_landing", readings, judged)


if __name__ == "__main__":
    main()
