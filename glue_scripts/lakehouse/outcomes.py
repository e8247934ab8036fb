"""Nothing disappears: every record that a job reads gets one outcome, and ``job_audit`` counts them.

A *judged* frame holds each record of a source once, in the columns of the target table, with two more: ``outcome``,
one of the four below, and ``reason``, which says why a record was filtered or refused and is null otherwise.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

KEPT = "kept"
DUPLICATE = "duplicate"  # the same record was delivered more than once
SUPERSEDED = "superseded"  # another record with the same key takes its place
FILTERED = "filtered"  # well-formed, but the rules of the table leave it out
REFUSED = "refused"  # it cannot be used as it was delivered

AUDIT_SCHEMA = "run_id string, job string, source string, outcome string, reason string, records bigint"


def judge(*rules: tuple[Column, str, str | None]) -> list[Column]:
    """The columns ``outcome`` and ``reason`` of a record: those of the first rule that applies to it, else kept.

    A rule is (condition, outcome, reason); a condition that is null does not apply.
    """
    outcome = reason = F
    for condition, result, why in rules:
        outcome = outcome.when(condition, result)
        reason = reason.when(condition, F.lit(why).cast("string"))
    return [outcome.otherwise(KEPT).alias("outcome"), reason.otherwise(F.lit(None)).alias("reason")]


def kept(judged: DataFrame) -> DataFrame:
    """The rows of the target table: the kept records, without their outcome."""
    return judged.where(F.col("outcome") == KEPT).drop("outcome", "reason")


def audit(run_id: str, job: str, sources: dict[str, tuple[DataFrame, DataFrame]]) -> list[tuple]:
    """The rows of ``job_audit`` for one job of one run, from {source: (records as read, the same judged)}.

    One row for what was read, and one for each outcome and reason that occurred. The two are counted apart, so that
    records which a rule lost or multiplied show as sums that do not close.
    """
    rows = []
    for source, (read, judged) in sources.items():
        rows.append((run_id, job, source, "read", None, read.count()))
        counts = judged.groupBy("outcome", "reason").count().collect()
        rows += [(run_id, job, source, *count) for count in sorted(counts, key=lambda count: -count[2])]
    return rows
