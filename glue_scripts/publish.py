"""publish: makes what the run staged, and its checks passed, the content that readers see, and records it as a release.

Before the first table changes, all are compared with what the checks have seen and with what they were when the run
began. Tables change one after the other: a reader who must not see two releases mixed reads by ``releases``, whose rows
come last. An attempt that ends half-way is completed by the next one.
"""

import time
from typing import NamedTuple

from pyspark.sql import SparkSession

from lakehouse.job import Arguments, snapshot_ids
from lakehouse.releases import write_release
from lakehouse.staging import check_unmoved, iceberg_table, publish, tag_name
from lakehouse.tables import WRITTEN_TABLES


class Publication(NamedTuple):
    """The job's arguments. ``base`` and ``audited``: {table: its snapshot} when the run began, and when it was
    checked; ``landing``: the S3 prefix of the lake; the others go into ``releases``."""

    run_id: str
    database: str
    landing: str
    base: dict[str, int | None]
    audited: dict[str, int]
    consent_policy: str
    code: str
    parameters: str


def parse(argv: list[str] | None = None) -> Publication:
    """The arguments; Glue adds others, which are ignored. Raises ``ValueError`` for wrong ones."""
    parser = Arguments(prog="publish", allow_abbrev=False)
    for name, kind in Publication.__annotations__.items():
        parser.add_argument(f"--{name}", required=True, type=str if kind is str else snapshot_ids)
    arguments, _ = parser.parse_known_args(argv)
    if missing := set(WRITTEN_TABLES) - set(arguments.audited):
        parser.error(f"audited lacks {', '.join(sorted(missing))}: no check has read them")
    return Publication(**vars(arguments))


def main() -> None:
    run = parse()
    spark = SparkSession.builder.appName("publish").getOrCreate()
    tables = {name: iceberg_table(spark, f"glue_catalog.{run.database}.{name}") for name in WRITTEN_TABLES}
    staged = {
        name: check_unmoved(table, run.run_id, run.base.get(name), run.audited[name]) for name, table in tables.items()
    }
    for name, table in tables.items():
        publish(table, run.run_id, staged[name].snapshot_id)
        print(f"{name}: {staged[name].rows:,} rows, snapshot {staged[name].snapshot_id}")
    released_at = int(time.time() * 1000)
    rows = [
        {
            "run_id": run.run_id,
            "released_at": released_at,
            "consent_policy": run.consent_policy,
            "code": run.code,
            "parameters": run.parameters,
            "table_name": name,
            "snapshot_id": staged[name].snapshot_id,
            "records": staged[name].rows,
        }
        for name in WRITTEN_TABLES
    ]
    write_release(spark, run.landing.rstrip("/"), tag_name(run.run_id), rows)


if __name__ == "__main__":
    main()
