"""What every job does around its transformation: arguments, reading, and the commit."""

import argparse
from typing import NoReturn

from pyspark.sql import DataFrame, DataFrameWriterV2, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.landing import columns, read_landing, repaired_files, used
from lakehouse.outcomes import (
    READ,
    REFUSED,
    REPAIRED,
    WRITTEN,
    Count,
    check_refused,
    count_outcomes,
    count_reading,
    kept,
    quarantine,
)

AUDIT_SCHEMA = "run_id string, job string, source string, outcome string, reason string, records bigint"

#: Of these, records are refused after they were read, because they have no owner: they keep their text until then.
REFUSED_LATER = "step_trainer_landing"
MAX_REFUSED = 0.05


class Arguments(argparse.ArgumentParser):
    """Raises ``ValueError`` where the arguments are not as they should be: Glue shows the message of the exception that
    ended a script, and argparse's own exit has none."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"job arguments: {message}")


class Job:
    """One run of one job; the job has the name of the table that it fills.

    Arguments, the same for all jobs: ``--run_id`` (goes into the snapshot summary and the audit), ``--database`` (of
    the Glue catalog), ``--landing`` (the S3 prefix above the landing tables' folders), ``--consent_policy``,
    ``--match_on``; and ``--max_refused``, the share of a landing table's records that may be refused, 0.05 if it is not
    given. Glue adds others, which are passed over. Raises ``ValueError`` where they are not as they should be.
    """

    def __init__(self, table: str, argv: list[str] | None = None) -> None:
        parser = Arguments(prog=table, allow_abbrev=False)
        for name in ("run_id", "database", "landing", "consent_policy", "match_on"):
            parser.add_argument(f"--{name}", required=True)
        parser.add_argument("--max_refused", type=float, default=MAX_REFUSED)
        arguments, _ = parser.parse_known_args(argv)
        if not 0 <= arguments.max_refused <= 1:
            parser.error(f"max_refused is {arguments.max_refused}; it must be a share, from 0 to 1")
        self.table = table
        self.run_id: str = arguments.run_id
        self.database: str = arguments.database
        self.landing_prefix: str = arguments.landing.rstrip("/")
        self.consent_policy: str = arguments.consent_policy
        self.match_on: str = arguments.match_on
        self.max_refused: float = arguments.max_refused
        self._readings: dict[str, DataFrame] = {}
        self.spark = SparkSession.builder.appName(table).getOrCreate()

    def landing(self, table: str) -> DataFrame:
        """The records of a landing table that can be used. Those of REFUSED_LATER have three columns more: file,
        position and record, their text."""
        keep_text = table == REFUSED_LATER
        reading = read_landing(self.spark, table, f"{self.landing_prefix}/{table}/", keep_text).persist()
        self._readings[table] = reading
        place = ["file", "position", "record"] if keep_text else []
        return used(reading).select(*columns(table), *place)

    def trusted(self, table: str) -> DataFrame:
        """The content of a trusted or curated table."""
        return self.spark.table(self._name(table)).persist()

    def publish(
        self,
        rows: DataFrame,
        before: dict[str, DataFrame] | None = None,
        withheld: DataFrame | None = None,
        **sources: tuple[DataFrame, DataFrame],
    ) -> None:
        """Replaces the table's content with ``rows`` in one Iceberg commit, and this run's audit of the job with
        that of ``sources``: {source table: (records as read, the same judged)}. ``before`` is {table: its new content}
        of tables that the job fills beside its own; each is replaced first, in a commit of its own.

        Of a landing table among the sources, the refused records replace those that landing_quarantine has of it,
        without the text of those that mention somebody in ``withheld`` (see quarantine); if they are more than
        ``max_refused`` allows, ``TooManyRefusedError`` is raised, and nothing else changes.

        The order of the commits: quarantine, tables, audit. Whoever finds a run in the audit finds its tables and its
        quarantine; whoever finds it in the quarantine alone sees which deliveries a run that failed had refused. A
        reader sees the old table or the new one. Doing it again, with the same run id or another, changes nothing.
        """
        counts = {}
        for source, (read, judged) in sources.items():
            reading = self._readings.get(source)
            counted = [(READ, None, read.count())] if reading is None else count_reading(reading)
            counts[source] = counted + count_outcomes(judged)
        for source in counts.keys() & self._readings.keys():
            self._quarantine(source, sources[source][1], counts[source], withheld)
            self._show_repaired(source, counts[source])

        for table, content in ((before or {}) | {self.table: rows}).items():
            self._write(content, table).overwrite(F.lit(True))
            rows_now = self.spark.table(self._name(table)).count()  # from Iceberg's metadata
            counts[table] = [*counts.get(table, []), (WRITTEN, None, rows_now)]
        audit = [(self.run_id, self.table, source, *count) for source in counts for count in counts[source]]
        self._write(self.spark.createDataFrame(audit, AUDIT_SCHEMA).coalesce(1), "job_audit").overwritePartitions()
        for source in counts:
            for outcome, reason, records in counts[source]:
                print(f"{source}: {records:,} {outcome}" + (f" ({reason})" if reason else ""))

    def publish_kept(self, source: str, read: DataFrame, judged: DataFrame, withheld: DataFrame | None = None) -> None:
        """``publish`` for a table that holds the kept records of one source."""
        judged = judged.persist()
        self.publish(kept(judged), withheld=withheld, **{source: (read, judged)})

    def _quarantine(self, source: str, judged: DataFrame, counts: list[Count], withheld: DataFrame) -> None:
        """Replaces what landing_quarantine has of the source; raises ``TooManyRefusedError``."""
        refused = quarantine(self.run_id, source, self._readings[source], judged, withheld)
        if not any(outcome == REFUSED for outcome, _, _ in counts):
            refused = refused.limit(0)  # nothing to look for
        # Not overwritePartitions, which leaves a partition as it was if there are no rows for it.
        self._write(refused, "landing_quarantine").overwrite(F.col("source") == source)
        look = f"SELECT * FROM {self.database}.landing_quarantine WHERE source = '{source}'"
        check_refused(source, counts, self.max_refused, look)

    def _show_repaired(self, source: str, counts: list[Count]) -> None:
        """Replaces in landing_repaired what the jobs read from the files that Athena's JSON reader reads otherwise."""
        folder = f"{self.landing_prefix}/landing_repaired/{source}/"
        if any(outcome in (REPAIRED, REFUSED) for outcome, _, _ in counts):
            rows = repaired_files(source, self._readings[source]).withColumn("run_id", F.lit(self.run_id))
            rows.write.mode("overwrite").json(folder)
        else:
            path = self.spark._jvm.org.apache.hadoop.fs.Path(folder)
            path.getFileSystem(self.spark._jsc.hadoopConfiguration()).delete(path, True)

    def _write(self, rows: DataFrame, table: str) -> DataFrameWriterV2:
        """A write to a table, in a commit that carries the run's id."""
        return rows.writeTo(self._name(table)).option("snapshot-property.run_id", self.run_id)

    def _name(self, table: str) -> str:
        return f"glue_catalog.{self.database}.{table}"
