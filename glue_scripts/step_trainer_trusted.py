"""step_trainer_trusted: the step readings of the devices of curated customers. Grain: device and instant. Beside it,
device_owners: whose each of these devices is. Grain: device."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.job import Job
from lakehouse.landing import columns
from lakehouse.outcomes import DUPLICATE, FILTERED, REFUSED, SUPERSEDED, judge, kept
from lakehouse.ownership import (
    OWNER_AMBIGUOUS,
    OWNER_UNKNOWN,
    device_owners,
    device_ownership,
    devices_without_consent,
)
from lakehouse.people import before_consent, consents, names_without_consent

COLUMNS = tuple(columns("step_trainer_landing"))

#: Where a record was delivered; the landing reader's columns, which a refused record keeps.
PLACE = ("file", "position", "record")


def step_trainer_trusted(
    readings: DataFrame, ownership: DataFrame, curated: DataFrame, consent_policy: str
) -> DataFrame:
    """step_trainer_landing judged by whose device it is (``ownership``: device_ownership's rows) and by that person's
    consent (``curated``: customers_curated). Of the columns in PLACE those that ``readings`` has are kept.

    (serialnumber, sensorreadingtime) is the key. Two different distances at one instant of one device cannot both be
    right; the smaller one is kept, for want of anything that tells them apart.
    """
    place = [name for name in PLACE if name in readings.columns]
    same_key = Window.partitionBy("serialnumber", "sensorreadingtime").orderBy("distancefromobject")
    same_reading = Window.partitionBy(*COLUMNS).orderBy(*place, F.lit(0))
    owners = ownership.select("serialnumber", "person", "source")
    return (
        readings.withColumn("_copy", F.row_number().over(same_reading))
        .withColumn("_rank", F.dense_rank().over(same_key))
        .join(owners, on="serialnumber", how="left")
        .join(consents(curated), on="person", how="left")
        .select(
            *COLUMNS,
            *place,
            *judge(
                (F.col("_copy") > 1, DUPLICATE, None),
                (F.col("_rank") > 1, SUPERSEDED, None),
                (F.col("source") == OWNER_AMBIGUOUS, REFUSED, OWNER_AMBIGUOUS),
                (F.col("person").isNull(), REFUSED, OWNER_UNKNOWN),
                (F.col("consented_at").isNull(), FILTERED, "owner_not_curated"),
                (before_consent(consent_policy, "sensorreadingtime"), FILTERED, "before_consent"),
            ),
        )
    )


def main() -> None:
    job = Job("step_trainer_trusted")
    readings = job.landing("step_trainer_landing")
    curated = job.trusted("customers_curated")
    customers = job.landing("customer_landing")
    ownership = device_ownership(readings, job.landing("accelerometer_landing"), customers).persist()
    judged = step_trainer_trusted(readings, ownership, curated, job.consent_policy).persist()
    job.publish(
        kept(judged).select(*COLUMNS),
        before={"device_owners": device_owners(ownership, curated)},
        withheld=names_without_consent(customers).union(devices_without_consent(ownership, customers)),
        step_trainer_landing=(readings, judged),
        # Every device, also those that are not in the table: how many owners were decided in which way.
        device_owners=(
            readings.select("serialnumber").distinct(),
            ownership.select(F.col("source").alias("outcome"), F.lit(None).cast("string").alias("reason")),
        ),
    )


if __name__ == "__main__":
    main()
