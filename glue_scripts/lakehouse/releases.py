"""The releases of the lakehouse: for each, one object with a line of JSON for each table, which the table ``releases``
shows."""

import json
from collections.abc import Iterable
from typing import Any

from lakehouse.landing import exists
from lakehouse.tables import TABLES

FOLDER = TABLES["releases"].folder

#: A row of ``releases``, by column.
Row = dict[str, Any]


def write_release(spark: Any, lake: str, name: str, rows: Iterable[Row]) -> None:
    """Puts the rows of a release below ``lake``, an S3 prefix, in place of those that an earlier attempt put there."""
    path = spark._jvm.org.apache.hadoop.fs.Path(f"{lake}/{FOLDER}/{name}.json")
    stream = path.getFileSystem(spark._jsc.hadoopConfiguration()).create(path, True)
    stream.write("".join(json.dumps(row) + "\n" for row in rows).encode())
    stream.close()


def read_releases(spark: Any, lake: str) -> list[list[Row]]:
    """The rows of each release, the latest release first."""
    if not exists(spark, f"{lake}/{FOLDER}"):
        return []
    schema = ", ".join(f"{column.name} {column.sql_type}" for column in TABLES["releases"].columns)
    releases: dict[tuple[int, str], list[Row]] = {}
    for row in spark.read.schema(schema).json(f"{lake}/{FOLDER}").collect():
        releases.setdefault((row.released_at, row.run_id), []).append(row.asDict())
    return [releases[key] for key in sorted(releases, reverse=True)]
