"""customer_trusted: the customers who agreed to share their data for research. Grain: person and serial number."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.job import Job
from lakehouse.outcomes import FILTERED, SUPERSEDED, judge, once
from lakehouse.ownership import claims
from lakehouse.people import consents, latest_first, person
from lakehouse.tables import columns

COLUMNS = columns("customer_trusted")


def customer_trusted(customers: DataFrame) -> DataFrame:
    """customer_landing judged: of each person and serial number the latest record, of people who agreed.

    A person's latest record, whatever its serial number, decides whether they agreed: a later one without consent is
    a withdrawal and takes all of their records out.
    """
    same_key = Window.partitionBy("person", "serialnumber").orderBy(*latest_first(COLUMNS))
    return (
        once(customers, *COLUMNS)
        .withColumn("person", person("email"))
        .withColumn("_age", F.row_number().over(same_key))
        .join(F.broadcast(consents(customers)), on="person", how="left")
        .select(
            *COLUMNS,
            "copies",
            *judge(
                (F.col("_age") > 1, SUPERSEDED, None),
                (F.col("consented_at").isNull(), FILTERED, "no_consent"),
            ),
        )
    )


def main() -> None:
    job = Job("customer_trusted")
    customers = job.landing("customer_landing")
    job.hand_over(claims(customers, job.run_id))
    job.stage_kept("customer_landing", customer_trusted(customers))


if __name__ == "__main__":
    main()
