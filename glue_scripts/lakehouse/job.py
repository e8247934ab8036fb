"""What every job does around its transformation: arguments, reading, and the commit."""

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn
from urllib.parse import quote

from pyspark.sql import DataFrame, DataFrameWriterV2, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.errors import MissingHandoverError, NotStagedError
from lakehouse.landing import LOCATION, Landing, exists, read_landing
from lakehouse.outcomes import (
    READ,
    REJECTED,
    REPAIRED,
    WRITTEN,
    Count,
    check_rejected,
    count_outcomes,
    count_reading,
    kept,
    quarantine,
)
from lakehouse.staging import Staged, branch_name, iceberg_table, rename_data_path, staged, start_branch
from lakehouse.tables import TABLES

MAX_REJECTED = 0.05


class Arguments(argparse.ArgumentParser):
    """Raises ``ValueError`` for wrong arguments: Glue shows the message of the exception that ended a script, and
    argparse's own exit has none."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"job arguments: {message}")


def snapshot_ids(text: str) -> dict[str, int | None]:
    """{table: snapshot} of a JSON object, whose values are text or null; raises ``ValueError``."""
    given = json.loads(text)
    if not isinstance(given, dict):
        raise ValueError
    return {table: None if snapshot is None else int(snapshot) for table, snapshot in given.items()}


class Job:
    """One run of one job; the job has the name of the table that it writes.

    Arguments, the same for all jobs: ``--run_id`` (goes into the snapshot summary and the audit), ``--database`` (of
    the Glue catalog), ``--landing`` (the S3 prefix above the landing tables' folders), ``--consent_policy``, ``--base``
    (JSON, {table: its snapshot when the run began}); and ``--max_rejected``, the share of a landing table's records
    that may be rejected, 0.05 by default. Glue adds others, which are ignored. Raises ``ValueError`` for wrong ones.
    """

    def __init__(self, table: str, argv: list[str] | None = None) -> None:
        parser = Arguments(prog=table, allow_abbrev=False)
        for name in ("run_id", "database", "landing", "consent_policy"):
            parser.add_argument(f"--{name}", required=True)
        parser.add_argument("--base", required=True, type=snapshot_ids)
        parser.add_argument("--max_rejected", type=float, default=MAX_REJECTED)
        arguments, _ = parser.parse_known_args(argv)
        if not 0 <= arguments.max_rejected <= 1:
            parser.error(f"max_rejected is {arguments.max_rejected}; it must be a share, from 0 to 1")
        self.table_name = table
        self.run_id: str = arguments.run_id
        self.database: str = arguments.database
        self.landing_prefix: str = arguments.landing.rstrip("/")
        self.consent_policy: str = arguments.consent_policy
        self.max_rejected: float = arguments.max_rejected
        self._base: dict[str, int | None] = arguments.base
        self._landings: dict[str, Landing] = {}
        self.spark = SparkSession.builder.appName(table).getOrCreate()

    def landing(self, table: str) -> DataFrame:
        """The records of a landing table that can be used."""
        self._landings[table] = read_landing(self.spark, table, f"{self.landing_prefix}/{table}/")
        return self._landings[table].used.drop(*LOCATION)

    def table(self, name: str) -> DataFrame:
        """The content of a trusted or curated table, as this run staged it; raises ``NotStagedError``."""
        self._staged(name)
        return self.spark.table(self._branch(name))

    def hand_over(self, rows: DataFrame) -> None:
        """Leaves rows for a later job of this run, in place of those of an earlier attempt."""
        rows.write.mode("overwrite").parquet(self._handover(self.table_name))

    def handed_over(self, job: str) -> DataFrame:
        """What ``job`` handed over in this run; raises ``MissingHandoverError``."""
        folder = self._handover(job)
        if not exists(self.spark, f"{folder}/_SUCCESS"):
            raise MissingHandoverError(
                f"{self.table_name} needs what {job} hands over, and there is nothing in {folder}: it was deleted, or "
                f"{job} has not succeeded in this run. Clear the task {job}, with the tasks after it."
            )
        return self.spark.read.parquet(folder)

    def _handover(self, job: str) -> str:
        # A colon in a path is not for Hadoop.
        return f"{self.landing_prefix}/handover/{quote(self.run_id, safe='').replace('%', '@')}/{job}"

    def stage(
        self,
        rows: DataFrame,
        judged: Mapping[str, DataFrame | list[Count]],
        side_tables: Mapping[str, DataFrame] | None = None,
        figures: Mapping[str, Mapping[str, int]] | None = None,
    ) -> None:
        """Replaces the table's content with ``rows`` on the branch of this run, in one Iceberg commit, and this run's
        audit of the job.

        judged: {source: its records, as read by this job, judged; or how many of them have which outcome}; side_tables:
        {table that the job writes beside its own: its new content}, each replaced before it in a commit of its own;
        figures: {source: {figure: value}} to add to those that are counted here.

        The records rejected of a landing table replace those that landing_quarantine has of it. If they are more than
        ``max_rejected`` allows, ``TooManyRejectedError`` is raised, and nothing else changes.

        The order of the commits: quarantine, tables, figures, audit. Whoever finds a run in the audit finds its tables
        and its quarantine. Readers of the table see nothing of it until the run is published. Running again, with the
        same run id or another, changes nothing.
        """
        counts: dict[str, list[Count]] = {}
        values: dict[str, dict[str, int]] = {}
        for source, records in judged.items():
            if source in self._landings:
                counts[source], values[source] = count_reading(self._landings[source])
            else:
                counts[source], values[source] = [], {READ: self._staged(source).rows}
            counts[source] += count_outcomes(records) if isinstance(records, DataFrame) else records
        for source, given in (figures or {}).items():
            values[source] = {**values.get(source, {}), **given}
        for source, records in judged.items():
            if source in self._landings and isinstance(records, DataFrame):
                self._quarantine(source, records, values[source][READ], counts[source])
                self._write_repaired(source, values[source], counts[source])

        for table, content in {**(side_tables or {}), self.table_name: rows}.items():
            start_branch(self._iceberg(table), self.run_id, self._base.get(table))
            self._write(content, table, self._branch(table)).overwrite(F.lit(True))
            values[table] = {**values.get(table, {}), WRITTEN: self._staged(table).rows}
        self._write_counts("job_figures", [(source, *item) for source in values for item in values[source].items()])
        self._write_counts("job_audit", [(source, *count) for source in counts for count in counts[source]])
        for source, of_source in values.items():
            print(f"{source}: " + ", ".join(f"{value:,} {figure}" for figure, value in of_source.items()))
            for count in counts.get(source, []):
                print(f"{source}: {count.records:,} {count.outcome}" + (f" ({count.reason})" if count.reason else ""))

    def stage_kept(self, source: str, judged: DataFrame) -> None:
        """``stage`` for a table that holds the kept records of one source."""
        judged = judged.persist()
        self.stage(kept(judged), {source: judged})

    def _quarantine(self, source: str, judged: DataFrame, read: int, counts: list[Count]) -> None:
        """Replaces what landing_quarantine has of the source; raises ``TooManyRejectedError``."""
        rejected = quarantine(source, self._landings[source], judged).withColumn("run_id", F.lit(self.run_id))
        if not any(count.outcome == REJECTED for count in counts):
            rejected = rejected.limit(0)  # nothing to look for
        # Not overwritePartitions, which leaves a partition as it was if there are no rows for it.
        self._write(rejected, "landing_quarantine").overwrite(F.col("source") == source)
        look = f"SELECT * FROM {self.database}.landing_quarantine WHERE source = '{source}'"
        check_rejected(source, read, counts, self.max_rejected, look)

    def _write_repaired(self, source: str, values: dict[str, int], counts: list[Count]) -> None:
        """Replaces in landing_repaired what a plain reader of JSON lines would read otherwise."""
        folder = f"{self.landing_prefix}/landing_repaired/{source}/"
        if values[REPAIRED] or any(count.outcome == REJECTED for count in counts):
            fields = [F.col(column.name).alias(column.key) for column in TABLES[source].columns]
            self._landings[source].repaired_files.select("file", *fields).write.mode("overwrite").json(folder)
        else:
            path: Any = self.spark._jvm.org.apache.hadoop.fs.Path(folder)  # type: ignore[union-attr]
            path.getFileSystem(self.spark._jsc.hadoopConfiguration()).delete(path, True)

    def _write_counts(self, table: str, counts: Sequence[tuple[Any, ...]]) -> None:
        """Replaces this run's rows of the job in job_audit or job_figures."""
        fields = {column.name: column.sql_type for column in TABLES[table].columns}
        schema = ", ".join(f"{name}: {sql_type}" for name, sql_type in fields.items())
        records = [dict(zip(fields, (self.run_id, self.table_name, *count), strict=True)) for count in counts]
        # Not createDataFrame, which starts a Python worker.
        rows = self.spark.sql(f"SELECT inline(from_json(?, 'array<struct<{schema}>>'))", args=[json.dumps(records)])
        of_this_run = (F.col("run_id") == self.run_id) & (F.col("job") == self.table_name)
        write = self._write(rows, table)
        # One task needs no shuffle. Not overwritePartitions, which leaves the rows of an earlier attempt if there is
        # nothing to count now.
        write.option("distribution-mode", "none").overwrite(of_this_run)

    def _write(self, rows: DataFrame, table: str, branch: str | None = None) -> DataFrameWriterV2:
        """A write to a table, or to a branch of it, in a commit that carries the run's id."""
        rename_data_path(self._iceberg(table))
        return rows.writeTo(branch or self._catalog_name(table)).option("snapshot-property.run_id", self.run_id)

    def _staged(self, table: str) -> Staged:
        """What this run has written to a table; raises ``NotStagedError``."""
        found = staged(self._iceberg(table), self.run_id)
        if found is None:
            job = TABLES[table].written_by or table
            raise NotStagedError(
                f"{self.table_name} needs {table}, which this run has not staged, or which a later run has replaced. "
                f"Clear the task {job}, with the tasks after it."
            )
        return found

    def _iceberg(self, table: str) -> Any:
        return iceberg_table(self.spark, self._catalog_name(table))

    def _branch(self, table: str) -> str:
        return f"{self._catalog_name(table)}.branch_{branch_name(self.run_id)}"

    def _catalog_name(self, table: str) -> str:
        return f"glue_catalog.{self.database}.{table}"
