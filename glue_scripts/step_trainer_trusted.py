"""step_trainer_trusted: the step readings of the devices of curated customers. Grain: device and instant. Beside it,
device_owners: whose each of these devices is. Grain: device."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.job import Job
from lakehouse.outcomes import FILTERED, REJECTED, SUPERSEDED, judge, kept, once
from lakehouse.ownership import OWNER_AMBIGUOUS, OWNER_UNKNOWN, device_owners, device_ownership
from lakehouse.people import before_consent, consents, person_key
from lakehouse.tables import TABLES, columns

COLUMNS = columns("step_trainer_trusted")
KEY = TABLES["step_trainer_trusted"].key


def curated_people(curated: DataFrame, run_id: str) -> DataFrame:
    """(person, email, consented_at) of the people in customers_curated; ``person`` is a person_key."""
    people = consents(curated).withColumnRenamed("person", "email")
    return people.withColumn("person", person_key(run_id, "email"))


def step_trainer_trusted(
    readings: DataFrame, ownership: DataFrame, people: DataFrame, consent_policy: str
) -> DataFrame:
    """step_trainer_landing judged by whose device it is (``ownership``: device_ownership's rows) and by that person's
    consent (``people``: curated_people's rows).

    (serialnumber, sensorreadingtime) is the key. Two different distances at one instant of one device cannot both be
    right; the smaller one is kept, for want of anything that tells them apart.
    """
    others = [name for name in COLUMNS if name not in KEY]
    same_key = Window.partitionBy(*KEY).orderBy(*others)
    return (
        once(readings.repartition(*KEY), *COLUMNS)  # shuffled once, for both equal readings and equal keys
        .withColumn("_rank", F.row_number().over(same_key))
        .join(ownership.select("serialnumber", "person", "source"), on="serialnumber", how="left")
        .join(F.broadcast(people.select("person", "consented_at")), on="person", how="left")
        .select(
            *COLUMNS,
            "copies",
            *judge(
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
    readings = job.landing("step_trainer_landing")
    presences, claims = job.handed_over("accelerometer_trusted"), job.handed_over("customer_trusted")
    people = curated_people(job.table("customers_curated"), job.run_id).persist()
    ownership = device_ownership(readings, presences, claims).persist()
    judged = step_trainer_trusted(readings, ownership, people, job.consent_policy).persist()
    decided = {row.source: row["count"] for row in ownership.groupBy("source").count().collect()}
    job.stage(
        kept(judged),
        judged={"step_trainer_landing": judged},
        side_tables={"device_owners": device_owners(ownership, people)},
        figures={"device_owners": decided},
    )


if __name__ == "__main__":
    main()
