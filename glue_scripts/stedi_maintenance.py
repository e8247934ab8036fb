"""stedi_maintenance: compacts the last release and publishes it again, drops old releases and what runs have staged,
expires snapshots, and deletes the files that these held.

A table's earlier content stays in its files until this job has deleted them; so does that of people who withdrew.
"""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from pyspark.sql import SparkSession

from lakehouse.errors import MainMovedError
from lakehouse.job import Arguments
from lakehouse.releases import Row, read_releases, write_release
from lakehouse.staging import iceberg_table, is_branch, is_tag, tag_name

CATALOG = "glue_catalog"
_EPOCH = "1970-01-01T00:00:00+00:00"


class Maintenance(NamedTuple):
    """The job's arguments: ``database`` and its Iceberg ``tables``; ``landing``, the S3 prefix of the lake;
    ``snapshot_hours``, how long a replaced snapshot stays; ``keep_releases``, how many releases stay, unless
    ``snapshot_hours`` is 0; and ``orphan_hours``, how old a file of no snapshot may become."""

    database: str
    tables: list[str]
    landing: str
    keep_releases: int
    snapshot_hours: float
    orphan_hours: float


def parse(argv: list[str] | None = None) -> Maintenance:
    """The arguments, ``--tables`` separated by commas. Glue adds others, which are passed over; so is ``--run_id``.

    Raises ``ValueError`` where they are not as they should be.
    """
    parser = Arguments(prog="stedi_maintenance", allow_abbrev=False)
    parser.add_argument("--database", required=True)
    parser.add_argument("--tables", required=True, type=lambda text: text.split(","))
    parser.add_argument("--landing", required=True, type=lambda text: text.rstrip("/"))
    parser.add_argument("--keep_releases", required=True, type=int)
    for name in ("snapshot_hours", "orphan_hours"):
        parser.add_argument(f"--{name}", required=True, type=float)
    arguments, _ = parser.parse_known_args(argv)
    for name in ("snapshot_hours", "orphan_hours"):
        if not getattr(arguments, name) >= 0:
            parser.error(f"{name} is {getattr(arguments, name)}; it must be 0 or more")
    if arguments.keep_releases < 1:
        parser.error(f"keep_releases is {arguments.keep_releases}; it must be 1 or more")
    return Maintenance(**vars(arguments))


def compact(spark: SparkSession, table: str) -> int:
    """Rewrites a table (``database.table``) with many small files, whose rows stay as they are; gives how many.

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
    return int(compacted["rewritten_data_files_count"])


def check_released(table: Any, release: Row) -> None:
    """Raises ``MainMovedError`` unless the content of a table (a Java Iceberg table) is the release's."""
    snapshot = table.currentSnapshot()
    while snapshot is None or snapshot.snapshotId() != release["snapshot_id"]:
        # The commits of an earlier maintenance change no row.
        changes = {"added-records", "deleted-records"} if snapshot is None or snapshot.operation() != "replace" else ()
        if snapshot is None or snapshot.parentId() is None or any(snapshot.summary().get(key) for key in changes):
            raise MainMovedError(
                f"{table.name()} is not what the last release has, {release['run_id']}: somebody has changed it, or "
                "the publishing of a later run has ended half-way. Clear its task publish, or trigger a new run; then "
                "start this again."
            )
        snapshot = table.snapshot(snapshot.parentId())


def release_again(spark: SparkSession, lake: str, release: list[Row], tables: Mapping[str, Any]) -> None:
    """Releases the compacted tables, under the run of the last release; does nothing if no table has changed."""
    current = {name: table.currentSnapshot().snapshotId() for name, table in tables.items()}
    if all(row["snapshot_id"] == current[row["table_name"]] for row in release):
        return
    tag, now = tag_name(release[0]["run_id"]), int(time.time() * 1000)
    for name, table in tables.items():
        table.manageSnapshots().replaceTag(tag, current[name]).commit()
    rows = [row | {"released_at": now, "snapshot_id": current[row["table_name"]]} for row in release]
    write_release(spark, lake, f"{tag}_{now}", rows)


def drop_references(table: Any, tags: set[str], hours: float) -> int:
    """Drops the tags of releases but for ``tags``, and the branches of runs that were written longer ago; gives their
    number. ``table`` is a Java Iceberg table."""
    change, dropped = table.manageSnapshots(), 0
    for name, reference in _references(table).items():
        if is_tag(name) and name not in tags:
            change.removeTag(name)
        elif is_branch(name) and table.snapshot(reference).timestampMillis() <= _millis_ago(hours):
            change.removeBranch(name)
        else:
            continue
        dropped += 1
    if dropped:
        change.commit()
    return dropped


def expire_snapshots(spark: SparkSession, name: str, hours: float) -> tuple[int, int]:
    """Expires snapshots of a table that were replaced longer ago, and deletes their files; gives the number of both.

    Iceberg goes by when a snapshot was written. One written last week may have been read a minute ago: what was the
    table's content at any time in the last ``hours`` stays, and so do branches and tags.
    """
    table, since = iceberg_table(spark, f"{CATALOG}.{name}"), _millis_ago(hours)
    history = [(entry.timestampMillis(), entry.snapshotId()) for entry in table.history()]
    then = max((made_current for made_current, _ in history if made_current <= since), default=0)
    kept = {snapshot for made_current, snapshot in history if made_current >= then} | set(_references(table).values())
    old = [snapshot.snapshotId() for snapshot in table.snapshots() if snapshot.timestampMillis() <= since]
    expired = [snapshot for snapshot in old if snapshot not in kept]
    if not expired:
        return 0, 0
    ids = ", ".join(map(str, expired))
    # By default, it would expire what is five days old, too.
    deleted = _call(
        spark, "expire_snapshots", name, f"snapshot_ids => ARRAY({ids}), older_than => TIMESTAMP '{_EPOCH}'"
    )
    return len(expired), sum(deleted.values())


def remove_orphan_files(spark: SparkSession, table: str, hours: float) -> int:
    """Deletes the files below the table's location that no snapshot refers to and that are older; gives their number.

    The procedure of this name refuses less than 24 hours. The action behind it does not.
    """
    actions: Any = spark._jvm.org.apache.iceberg.spark.actions  # type: ignore[union-attr]
    loaded = iceberg_table(spark, f"{CATALOG}.{table}")
    action = actions.SparkActions.get(spark._jsparkSession).deleteOrphanFiles(loaded)
    action.olderThan(_millis_ago(hours)).usePrefixListing(True)
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


def _references(table: Any) -> dict[str, int]:
    """{branch or tag: its snapshot}"""
    return {str(name): table.refs().get(name).snapshotId() for name in table.refs().keySet().toArray()}


def _millis_ago(hours: float) -> int:
    return int((time.time() - hours * 3600) * 1000)


def main() -> None:
    job = parse()
    spark = SparkSession.builder.appName("stedi_maintenance").getOrCreate()
    # What is shuffled here are names of files: few rows, for which several tasks and plans take longer than one.
    spark.conf.set("spark.sql.shuffle.partitions", "1")
    spark.conf.set("spark.sql.adaptive.enabled", "false")
    names = {name: f"{job.database}.{name}" for name in job.tables}
    for name in [name for name in names if not spark.catalog.tableExists(f"{CATALOG}.{names[name]}")]:
        print(f"{name}: does not exist")
        del names[name]
    releases = read_releases(spark, job.landing)
    release = [row for row in releases[0] if row["table_name"] in names] if releases else []
    released = {row["table_name"]: iceberg_table(spark, f"{CATALOG}.{names[row['table_name']]}") for row in release}
    for row in release:
        check_released(released[row["table_name"]], row)

    compacted = {name: compact(spark, table) for name, table in names.items()}
    for table in released.values():
        table.refresh()
    if release:
        release_again(spark, job.landing, release, released)

    runs = list(dict.fromkeys(rows[0]["run_id"] for rows in releases))
    kept = {tag_name(run) for run in runs[: job.keep_releases if job.snapshot_hours else 1]}
    for name, table in names.items():
        references = drop_references(iceberg_table(spark, f"{CATALOG}.{table}"), kept, job.snapshot_hours)
        snapshots, files = expire_snapshots(spark, table, job.snapshot_hours)
        done = {
            "files compacted": compacted[name],
            "branches and tags dropped": references,
            "snapshots expired": snapshots,
            "files deleted": files,
            "orphans deleted": remove_orphan_files(spark, table, job.orphan_hours),
        }
        print(f"{name}: " + ", ".join(f"{count:,} {what}" for what, count in done.items()))


if __name__ == "__main__":
    main()
