"""Nothing disappears: every record that a job reads gets one outcome, and ``job_audit`` counts them.

A *judged* frame holds the different records of a source, in the columns of the target table, with three more:
``copies``, how often the record was delivered; ``outcome``, one of those below; and ``reason``, which says why a record
was filtered or rejected and is null otherwise.
"""

from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.errors import TooManyRejectedError
from lakehouse.landing import LOCATION, Landing
from lakehouse.tables import columns

KEPT = "kept"
DUPLICATE = "duplicate"  # the same record was delivered more than once
SUPERSEDED = "superseded"  # another record with the same key takes its place
FILTERED = "filtered"  # well-formed, but the rules of the table leave it out
REJECTED = "rejected"  # it cannot be used as it was delivered

# Figures, in job_figures:
READ = "read"  # records, the sum over their outcomes
REPAIRED = "repaired"  # records of a landing table that are used after a repair (docs/landing-files.md)
LINES = "lines"  # lines of its files, blank ones too
WRITTEN = "written"  # rows of a table that the job wrote


class Count(NamedTuple):
    """How many records of a source have one outcome and reason."""

    outcome: str
    reason: str | None
    records: int


def once(records: DataFrame, *columns: str) -> DataFrame:
    """The different values of ``columns``, with ``copies``."""
    # A hash aggregate, where a window or DISTINCT with a first row would sort.
    return records.groupBy(*columns).agg(F.count("*").alias("copies"))


def judge(*rules: tuple[Column, str, str | None]) -> list[Column]:
    """The columns ``outcome`` and ``reason`` of a record: those of the first rule that applies to it, else kept.

    A rule is (condition, outcome, reason); a condition that is null does not apply.
    """
    outcome: Column = F.lit(KEPT)
    reason: Column = F.lit(None).cast("string")
    for condition, result, why in reversed(rules):
        outcome = F.when(condition, result).otherwise(outcome)
        reason = F.when(condition, F.lit(why)).otherwise(reason)
    return [outcome.alias("outcome"), reason.alias("reason")]


def kept(judged: DataFrame) -> DataFrame:
    """The rows of the target table: the kept records, without their outcome."""
    return judged.where(F.col("outcome") == KEPT).drop("copies", "outcome", "reason")


def count_outcomes(judged: DataFrame) -> list[Count]:
    """How many records have each outcome and reason, the largest count first."""
    rows = judged.groupBy("outcome", "reason").agg(F.count("*"), F.sum(F.col("copies") - 1)).collect()
    counts = [Count(outcome, reason, records) for outcome, reason, records, _ in rows]
    if duplicates := sum(repeated for *_, repeated in rows):
        counts.append(Count(DUPLICATE, None, duplicates))
    return sorted(counts, key=lambda count: -count.records)


def count_reading(landing: Landing) -> tuple[list[Count], dict[str, int]]:
    """The records of a landing table that were rejected at reading, by reason; and its figures."""
    rows = landing.counts.collect()
    rejected = [Count(REJECTED, row.reason, row[READ]) for row in rows if row.reason is not None]
    return rejected, {figure: sum(row[figure] for row in rows) for figure in (READ, REPAIRED, LINES)}


def quarantine(source: str, landing: Landing, judged: DataFrame) -> DataFrame:
    """The rows of ``landing_quarantine`` for one source, but for the run's id: what the reading rejected, and what the
    table's rules did: of equal records the one delivered first, by file and position."""
    fields = [F.col(column).alias(f"_{column}") for column in columns(source)]
    by_rules = judged.where(F.col("outcome") == REJECTED).select(*fields, "reason")
    equal = [F.col(column).eqNullSafe(F.col(f"_{column}")) for column in columns(source)]
    rejected = (
        landing.used.join(by_rules, on=equal, how="inner")
        .groupBy("reason", *columns(source))
        .agg(F.min(F.struct(*LOCATION)).alias("first"))
        .select("first.*", "reason")
        .unionByName(landing.rejected)
    )
    return rejected.select(F.lit(source).alias("source"), *LOCATION, "reason")


def check_rejected(source: str, read: int, counts: list[Count], max_rejected: float, where_to_look: str) -> None:
    """Raises ``TooManyRejectedError`` if more than the share ``max_rejected`` of a source's records are rejected."""
    rejected = sum(count.records for count in counts if count.outcome == REJECTED)
    if rejected > max_rejected * read:
        raise TooManyRejectedError(
            f"{source}: {rejected:,} of {read:,} records are rejected ({rejected / read:.2%}), more than max_rejected "
            f"= {max_rejected:.2%}. The table of this job did not change. See which ones, and why: {where_to_look}"
        )
