"""Who a record is about, and what that person agreed to."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

#: ``customer``: who has agreed shares all their readings. ``reading_time``: only those taken at or after the consent.
CONSENT_POLICIES = ("customer", "reading_time")


def person(email: str) -> Column:
    """A person is an email, compared trimmed and in lower case."""
    # Spark's own trim, since a regular expression takes seconds for millions of readings.
    return F.expr(f"lower(trim(BOTH ' \t\r\n' FROM `{email}`))")


def person_key(run_id: str, name: str) -> Column:
    """A number for a person (``name``: the column with their email), from which nobody can read the email, and which
    differs from run to run. That two of a million people share one has a chance of one in thirty million."""
    return F.xxhash64(F.lit(run_id), person(name))


def latest_first(columns: Sequence[str]) -> list[Column]:
    """The order that puts a person's valid customer record first: the last one updated. ``columns`` are the table's.

    Of two updated in the same millisecond the more cautious one: without consent, else with the later consent. The
    other columns only make the choice the same in every run.
    """
    consent = F.coalesce(F.col("sharewithresearchasofdate"), F.lit(0))
    cautious = F.when(consent > 0, consent)
    decisive = [F.col("lastupdatedate").desc_nulls_last(), cautious.desc_nulls_first()]
    return decisive + [F.col(name) for name in sorted(columns)]


def consents(customers: DataFrame) -> DataFrame:
    """(person, consented_at) of everybody who agreed to research, from customer records.

    A person's latest record decides; agreed means that ``sharewithresearchasofdate`` is a positive instant
    (``consented_at``, epoch milliseconds). Sharing with friends or the public is not consent to research.
    """
    latest = Window.partitionBy(person("email")).orderBy(*latest_first(customers.columns))
    return (
        customers.withColumn("_rank", F.row_number().over(latest))
        .where((F.col("_rank") == 1) & (F.col("sharewithresearchasofdate") > 0))
        .select(person("email").alias("person"), F.col("sharewithresearchasofdate").alias("consented_at"))
    )


def before_consent(consent_policy: str, instant: str) -> Column:
    """Whether ``consent_policy`` leaves out what happened at ``instant``; needs the column ``consented_at``."""
    if consent_policy not in CONSENT_POLICIES:
        raise ValueError(f"consent_policy is {consent_policy!r}; it must be one of {', '.join(CONSENT_POLICIES)}")
    return F.lit(consent_policy == "reading_time") & (F.col(instant) < F.col("consented_at"))
