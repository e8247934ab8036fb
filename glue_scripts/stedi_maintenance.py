"""stedi_maintenance: compacts the Iceberg tables, expires their snapshots, and deletes the files that these held.

A table's earlier content stays in its files until this job has deleted them; so does that of people who withdrew.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.job import Arguments

CATALOG = "glue_catalog"


class Maintenance(NamedTuple):
    """The job's arguments: ``database`` and its Iceberg ``tables``; ``snapshot_hours``, how long a replaced
    snapshot stays, and ``orphan_hours``, how old a file of no snapshot may become."""

    database: str
    tables: list[str]
    snapshot_hours: float
    orphan_hours: float


def parse(argv: list[str] | None = None) -> Maintenance:
    """The arguments, ``--tables`` separated by commas. Glue adds others, which are passed over; so is ``--run_id``.

    Raises ``ValueError`` where they are not as they should be.
    """
    parser = Arguments(prog="stedi_maintenance", allow_abbrev=False)
    parser.add_argument("--database", required=True)
    parser.add_argument("--tables", required=True, type=lambda text: text.split(","))
    for name in ("snapshot_hours", "orphan_hours"):
        parser.add_argument(f"--{name}", required=True, type=float)
    arguments, _ = parser.parse_known_args(argv)
    for name in ("snapshot_hours", "orphan_hours"):
        if not getattr(arguments, name) >= 0:
            parser.error(f"{name} is {getattr(arguments, name)}; it must be 0 or more")
    return Maintenance(**vars(arguments))


def maintain(spark: SparkSession, table: str, snapshot_hours: float, orphan_hours: float) -> dict[str, int]:
    """Maintains one table (``database.table``), whose rows stay as they are; gives {what was done: how often}.

    Raises Spark's error where a commit meets that of another writer; doing it again is safe.
    """
    options = {}
    if _lists_removed_files_in_its_only_manifest(spark, table):
        # rewrite_manifests leaves a table's only manifest as it is. An empty commit drops it where it lists nothing
        # but removed files; rewriting the data gives the table a second one where it lists others too.
        spark.table(f"{CATALOG}.{table}").limit(0).writeTo(f"{CATALOG}.{table}").append()
        options = {"rewrite-all": "true"}
    compacted = _call(spark, "rewrite_data_files", table, _map("options", options))
    # A manifest keeps the column bounds, emails among them, of the files that a commit removed until it is rewritten.
    _call(spark, "rewrite_manifests", table)
    snapshots, files = expire_snapshots(spark, table, snapshot_hours)
    return {
        "files compacted": compacted["rewritten_data_files_count"],
        "snapshots expired": snapshots,
        "files deleted": files,
        "orphans deleted": remove_orphan_files(spark, table, orphan_hours),
    }


def expire_snapshots(spark: SparkSession, table: str, hours: float) -> tuple[int, int]:
    """Expires the snapshots that were replaced longer ago; gives their number, and that of the files deleted.

    Iceberg goes by when a snapshot was written. One written last week may have been read a minute ago: what was the
    table's content at any time in the last ``hours`` stays.
    """
    current_then = F.max(F.when(F.col("committed_at") <= F.lit(_ago(hours)), F.col("committed_at")))
    snapshots = spark.table(f"{CATALOG}.{table}.snapshots")
    before, millis = snapshots.select(F.count("*"), F.unix_millis(current_then)).collect()[0]
    if millis is None:
        return 0, 0
    older_than = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=millis)
    deleted = _call(spark, "expire_snapshots", table, f"older_than => TIMESTAMP '{older_than.isoformat()}'")
    return before - snapshots.count(), sum(deleted.values())


def remove_orphan_files(spark: SparkSession, table: str, hours: float) -> int:
    """Deletes the files below the table's location that no snapshot refers to and that are older; gives their number.

    The procedure of this name refuses less than 24 hours. The action behind it does not.
    """
    iceberg: Any = spark._jvm.org.apache.iceberg.spark  # type: ignore[union-attr]
    loaded = iceberg.Spark3Util.loadIcebergTable(spark._jsparkSession, f"{CATALOG}.{table}")
    action = iceberg.actions.SparkActions.get(spark._jsparkSession).deleteOrphanFiles(loaded)
    action.olderThan(int(_ago(hours).timestamp() * 1000)).usePrefixListing(True)
    return len(action.execute().orphanFileLocations())


def _lists_removed_files_in_its_only_manifest(spark: SparkSession, table: str) -> bool:
    manifests = spark.table(f"{CATALOG}.{table}.manifests").select("deleted_data_files_count").collect()
    return len(manifests) == 1 and manifests[0].deleted_data_files_count > 0


def _call(spark: SparkSession, procedure: str, table: str, *arguments: str) -> dict[str, Any]:
    """The row that an Iceberg procedure answers."""
    given = ", ".join(filter(None, [f"table => '{table}'", *arguments]))
    return spark.sql(f"CALL {CATALOG}.system.{procedure}({given})").collect()[0].asDict()


def _map(name: str, values: dict[str, str]) -> str:
    pairs = ", ".join(f"'{text}'" for pair in values.items() for text in pair)
    return f"{name} => map({pairs})" if values else ""


def _ago(hours: float) -> datetime:
    return datetime.now(UTC) - timedelta(hours=hours)


def main() -> None:
    job = parse()
    spark = SparkSession.builder.appName("stedi_maintenance").getOrCreate()
    for table in job.tables:
        if not spark.catalog.tableExists(f"{CATALOG}.{job.database}.{table}"):
            print(f"{table}: does not exist")
            continue
        done = maintain(spark, f"{job.database}.{table}", job.snapshot_hours, job.orphan_hours)
        print(f"{table}: " + ", ".join(f"{count:,} {what}" for what, count in done.items()))


if __name__ == "__main__":
    main()
