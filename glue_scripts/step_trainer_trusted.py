"""step_trainer_trusted: the step readings of the devices of curated customers. Grain: device and instant. Beside it,
device_owners: whose each of these devices is. Grain: device."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.job import Job
from lakehouse.landing import LOCATION
from lakehouse.outcomes import DUPLICATE, FILTERED, REJECTED, SUPERSEDED, judge, kept
from lakehouse.ownership import OWNER_AMBIGUOUS, OWNER_UNKNOWN, device_owners, device_ownership
from lakehouse.people import before_consent, consents
from lakehouse.tables import columns

COLUMNS = columns("step_trainer_trusted")


def step_trainer_trusted(
    readings: DataFrame, ownership: DataFrame, curated: DataFrame, consent_policy: str
) -> DataFrame:
    """step_trainer_landing judged by whose device it is (``ownership``: device_ownership's rows) and by that person's
    consent (``curated``: customers_curated). Out: its columns, and where ``readings`` has them, those of LOCATION.

    (serialnumber, sensorreadingtime) is the key. Two different distances at one instant of one device cannot both be
    right; the smaller one is kept, for want of anything that tells them apart.
    """
    location = [name for name in LOCATION if name in readings.columns]
    others = [name for name in COLUMNS if name not in ("serialnumber", "sensorreadingtime")]
    same_key = Window.partitionBy("serialnumber", "sensorreadingtime").orderBy(*others)
    same_reading = Window.partitionBy(*COLUMNS).orderBy(*location, F.lit(0))
    owners = ownership.select("serialnumber", "person", "source")
    return (
        readings.withColumn("_copy", F.row_number().over(same_reading))
        .withColumn("_rank", F.dense_rank().over(same_key))
        .join(owners, on="serialnumber", how="left")
        .join(consents(curated), on="person", how="left")
        .select(
            *COLUMNS,
            *location,
            *judge(
                (F.col("_copy") > 1, DUPLICATE, None),
                (F.col("_rank") > 1, SUPERSEDED, None),
                (F.col("source") == OWNER_AMBIGUOUS, REJECTED, OWNER_AMBIGUOUS),
                (F.col("person").isNull(), REJECTED, OWNER_UNKNOWN),
                (F.col("consented_at").isNull(), FILTERED, "owner_not_curated"),
                (before_consent(consent_policy, "sensorreadingtime"), FILTERED, "before_consent"),
            ),
        )
    )


def main() -> None:
    job = Job("step_trainer_trusted")
    # Steps can be rejected after they were read, since nobody owns the device: where were they delivered?
    readings = job.landing("step_trainer_landing", with_location=True)
    curated = job.table("customers_curated")
    ownership = device_ownership(
        readings, job.landing("accelerometer_landing"), job.landing("customer_landing")
    ).persist()
    judged = step_trainer_trusted(readings, ownership, curated, job.consent_policy).persist()
    decided = {row.source: row["count"] for row in ownership.groupBy("source").count().collect()}
    job.publish(
        kept(judged).select(*COLUMNS),
        judged={"step_trainer_landing": judged},
        side_tables={"device_owners": device_owners(ownership, curated)},
        figures={"device_owners": decided},
    )


if __name__ == "__main__":
    main()
