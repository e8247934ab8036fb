"""Nothing disappears: every record that a job reads gets one outcome, and ``job_audit`` counts them.

A *judged* frame holds each record of a source once, in the columns of the target table, with two more: ``outcome``,
one of those below, and ``reason``, which says why a record was filtered or rejected and is null otherwise.
"""

from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.errors import TooManyRejectedError
from lakehouse.landing import LOCATION, Landing

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
    return judged.where(F.col("outcome") == KEPT).drop("outcome", "reason")


def count_outcomes(judged: DataFrame) -> list[Count]:
    """How many records have each outcome and reason, the largest count first."""
    counts = [Count(*row) for row in judged.groupBy("outcome", "reason").count().collect()]
    return sorted(counts, key=lambda count: -count.records)


def count_reading(landing: Landing) -> tuple[list[Count], dict[str, int]]:
    """The records of a landing table that were rejected at reading, by reason; and its figures."""
    rows = landing.counts.collect()
    rejected = [Count(REJECTED, row.reason, row[READ]) for row in rows if row.reason is not None]
    return rejected, {figure: sum(row[figure] for row in rows) for figure in (READ, REPAIRED, LINES)}


def quarantine(source: str, landing: Landing, judged: DataFrame) -> DataFrame:
    """The rows of ``landing_quarantine`` for one source, but for the run's id: what the reading rejected, and what the
    table's rules did. ``judged`` has the columns of LOCATION if its rules reject records."""
    columns = [*LOCATION, "reason"]
    rejected = landing.rejected
    if set(LOCATION) <= set(judged.columns):
        rejected = rejected.unionByName(judged.where(F.col("outcome") == REJECTED).select(*columns))
    return rejected.select(F.lit(source).alias("source"), *columns)


def check_rejected(source: str, read: int, counts: list[Count], max_rejected: float, where_to_look: str) -> None:
    """Raises ``TooManyRejectedError`` if more than the share ``max_rejected`` of a source's records are rejected."""
    rejected = sum(count.records for count in counts if count.outcome == REJECTED)
    if rejected > max_rejected * read:
        raise TooManyRejectedError(
            f"{source}: {rejected:,} of {read:,} records are rejected ({rejected / read:.2%}), more than max_rejected "
            f"= {max_rejected:.2%}. This job changed no table. See which ones, and why: {where_to_look}"
        )
