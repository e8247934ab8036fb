"""What every job does around its transformation: arguments, reading, and the commit."""

import argparse
from typing import NoReturn

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.landing import read_landing
from lakehouse.outcomes import audit, kept


class _Arguments(argparse.ArgumentParser):
    """Glue shows the message of the exception that ended a script; argparse's own exit has none."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"job arguments: {message}")


class Job:
    """One run of one job; the job has the name of the table that it fills.

    Arguments, the same for all jobs: ``--run_id`` (goes into the snapshot summary and the audit), ``--database`` (of
    the Glue catalog), ``--landing`` (the S3 prefix above the landing tables' folders), ``--consent_policy``,
    ``--match_on``. Glue adds others, which are passed over.
    """

    def __init__(self, table: str, argv: list[str] | None = None) -> None:
        parser = _Arguments(prog=table, allow_abbrev=False)
        for name in ("run_id", "database", "landing", "consent_policy", "match_on"):
            parser.add_argument(f"--{name}", required=True)
        arguments, _ = parser.parse_known_args(argv)
        self.table = table
        self.run_id: str = arguments.run_id
        self.database: str = arguments.database
        self.landing_prefix: str = arguments.landing.rstrip("/")
        self.consent_policy: str = arguments.consent_policy
        self.match_on: str = arguments.match_on
        self.spark = SparkSession.builder.appName(table).getOrCreate()

    def landing(self, table: str) -> DataFrame:
        """All records of a landing table."""
        return read_landing(self.spark, table, f"{self.landing_prefix}/{table}/").persist()

    def trusted(self, table: str) -> DataFrame:
        """The content of a trusted or curated table."""
        return self.spark.table(self._name(table)).persist()

    def publish(
        self, rows: DataFrame, before: dict[str, DataFrame] | None = None, **sources: tuple[DataFrame, DataFrame]
    ) -> None:
        """Replaces the table's content with ``rows`` in one Iceberg commit, and this run's audit of the job with
        that of ``sources``: {source table: (records as read, the same judged)}. ``before`` is {table: its new content}
        of tables that the job fills beside its own; each is replaced first, in a commit of its own.

        A reader sees the old table or the new one. Doing it again, with the same run id or another, changes nothing.
        """
        counted = audit(self.spark, self.run_id, self.table, sources).persist()
        for table, content in ((before or {}) | {self.table: rows}).items():
            content.writeTo(self._name(table)).option("snapshot-property.run_id", self.run_id).overwrite(F.lit(True))
        counted.writeTo(self._name("job_audit")).option("snapshot-property.run_id", self.run_id).overwritePartitions()
        for row in counted.orderBy("source", F.col("records").desc()).collect():
            print(f"{row.source}: {row.records:,} {row.outcome}" + (f" ({row.reason})" if row.reason else ""))

    def publish_kept(self, source: str, read: DataFrame, judged: DataFrame) -> None:
        """``publish`` for a table that holds the kept records of one source."""
        judged = judged.persist()
        self.publish(kept(judged), **{source: (read, judged)})

    def _name(self, table: str) -> str:
        return f"glue_catalog.{self.database}.{table}"
