"""Nothing disappears: every record that a job reads gets one outcome, and ``job_audit`` counts them.

A *judged* frame holds each record of a source once, in the columns of the target table, with two more: ``outcome``,
one of those below, and ``reason``, which says why a record was filtered or refused and is null otherwise.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.errors import TooManyRefusedError
from lakehouse.people import plain

READ = "read"  # all of them

KEPT = "kept"
DUPLICATE = "duplicate"  # the same record was delivered more than once
SUPERSEDED = "superseded"  # another record with the same key takes its place
FILTERED = "filtered"  # well-formed, but the rules of the table leave it out
REFUSED = "refused"  # it cannot be used as it was delivered

# Of a landing table are counted, too, and are no part of the sum (docs/landing-files.md):
REPAIRED = "repaired"  # records that are used after a repair
LINES = "lines"  # lines of the files, blank ones too
# And of a table that the job fills:
WRITTEN = "written"  # rows

#: (outcome, reason, records)
Count = tuple[str, str | None, int]


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


def count_outcomes(judged: DataFrame) -> list[Count]:
    """How many records have each outcome and reason, the largest count first."""
    counts = judged.groupBy("outcome", "reason").count().collect()
    return [tuple(count) for count in sorted(counts, key=lambda count: -count[2])]


def count_reading(reading: DataFrame) -> list[Count]:
    """The counts of a landing table as ``read_landing`` gives it: read, refused by reason, and those beside the sum."""
    is_record = F.col("lines").isNull()
    rows = (
        reading.groupBy("reason")
        .agg(
            F.count_if(is_record).alias(READ),
            F.count_if(is_record & F.col("repaired")).alias(REPAIRED),
            F.coalesce(F.sum("lines"), F.lit(0)).alias(LINES),
        )
        .collect()
    )
    refused = [(REFUSED, row.reason, row[READ]) for row in rows if row.reason is not None]
    beside = [(name, None, sum(row[name] for row in rows)) for name in (REPAIRED, LINES)]
    return [(READ, None, sum(row[READ] for row in rows)), *refused, *(count for count in beside if count[2])]


def quarantine(run_id: str, source: str, reading: DataFrame, judged: DataFrame, withheld: DataFrame) -> DataFrame:
    """The rows of ``landing_quarantine`` for one source: what the reading refused, and what the table's rules did.

    A record that mentions one of ``withheld`` (name: see names_without_consent) as a word or in quotes keeps no text;
    file and position say where it stands in the landing zone. ``judged`` needs the columns file, position and record
    only if its rules refuse records.
    """
    place = ["file", "position", "reason", "record"]
    refused = reading.where(F.col("reason").isNotNull()).select(*place)
    if set(place) <= set(judged.columns):
        refused = refused.unionByName(judged.where(F.col("outcome") == REFUSED).select(*place))
    text = F.lower("record")
    in_quotes = F.regexp_extract_all(text, F.lit('"([^"]*)'), F.lit(1))
    mentions = F.explode(F.concat(F.split(text, r"""[ \t\r\n"',:;{}\[\]]+"""), in_quotes))
    naming = (
        refused.select("record", mentions.alias("name"))
        .withColumn("name", plain(F.col("name")))
        .join(withheld, on="name", how="left_semi")
        .select("record", F.lit(True).alias("_named"))
        .distinct()
    )
    return refused.join(naming, on="record", how="left").select(
        F.lit(source).alias("source"),
        *place[:-1],
        F.when(F.col("_named").isNull(), F.col("record")).alias("record"),
        F.lit(run_id).alias("run_id"),
    )


def check_refused(source: str, counts: list[Count], max_refused: float, where_to_look: str) -> None:
    """Raises ``TooManyRefusedError`` if more than the share ``max_refused`` of a source's records are refused."""
    read = sum(records for outcome, _, records in counts if outcome == READ)
    refused = sum(records for outcome, _, records in counts if outcome == REFUSED)
    if refused > max_refused * read:
        raise TooManyRefusedError(
            f"{source}: {refused:,} of {read:,} records are refused ({refused / read:.2%}), more than max_refused = "
            f"{max_refused:.2%} allows. This job changed no table. See which ones, and why: {where_to_look}"
        )
