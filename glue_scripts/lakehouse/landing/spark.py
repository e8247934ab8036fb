"""The files of a folder become data frames."""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.pandas.types import from_arrow_schema

from lakehouse.errors import LandingChangedError
from lakehouse.landing.files import FileReader, row_schema
from lakehouse.tables import columns

#: Where a record was delivered: its file, below the folder of its table, and the line on which it starts.
LOCATION = ("file", "position")

_MEGABYTE = 1024 * 1024
_TASK_BYTES = 128 * _MEGABYTE
#: What opening a file costs, in bytes read: 10,000 small ones become a few tasks, not as many.
_OPEN_BYTES = _MEGABYTE // 16
#: At a time between Spark and Python. Spark's own 10,000 take a tenth more time.
_LINES_OF_A_CHUNK = 20_000

#: The ends of names from which Spark's text reader would decompress, and fail or lose lines where a file is damaged.
_CODECS = (".gz", ".bz2", ".deflate", ".lz4", ".snappy", ".zst")


class Landing(NamedTuple):
    """A landing table as it was read. Each record is in ``used`` or in ``rejected``."""

    #: The records that can be used: the table's columns, typed, and LOCATION.
    used: DataFrame
    #: The others: LOCATION and reason.
    rejected: DataFrame
    #: file, the table's columns: the used records of those files in which a record was repaired or rejected. What a
    #: plain reader of JSON lines finds in them is not what was read here.
    repaired_files: DataFrame
    #: A row for each reason, and one with null for the used records: reason, read (records), repaired (records), lines
    #: (of the files, blank ones too, as Athena counts them: none of a file that it cannot read; the sum over all rows).
    counts: DataFrame


def read_landing(spark: SparkSession, table: str, location: str) -> Landing:
    """Reads the files below ``location``, as docs/landing-files.md says. They are parsed once, when one of the frames
    is first used: the rows behind all of them are persisted.

    A folder that does not exist is an empty one: so it is in S3, and a delivery may lack a source. The files are listed
    now; ``LandingChangedError`` comes from within Spark if they have changed when they are read.
    """
    return _landing(table, read_rows(spark, table, location).persist())


def _landing(table: str, rows: DataFrame) -> Landing:
    """Tells the two kinds of rows apart: records, and those that have only a file and its number of lines. The latter
    have no position, are not repaired and have no reason, so they count for nothing but their lines."""
    is_used = F.col("position").isNotNull() & F.col("reason").isNull()
    used = rows.where(is_used).select(*columns(table), *LOCATION)
    odd_files = rows.where(F.col("repaired") | F.col("reason").isNotNull()).select("file").distinct()
    return Landing(
        used=used,
        rejected=rows.where(F.col("reason").isNotNull()).select(*LOCATION, "reason"),
        repaired_files=used.join(odd_files, on="file", how="left_semi").select("file", *columns(table)),
        counts=rows.groupBy("reason").agg(
            F.count("position").alias("read"),
            F.count_if("repaired").alias("repaired"),
            F.coalesce(F.sum("lines"), F.lit(0)).alias("lines"),
        ),
    )


def read_rows(spark: SparkSession, table: str, location: str) -> DataFrame:
    """The rows of all files below ``location``: the columns of ``files.row_schema``."""
    schema = from_arrow_schema(row_schema(table))
    if not exists(spark, location):
        return spark.createDataFrame([], schema)
    listed = _listed(spark, location)
    _set_sizes(spark, [length for _, length in listed.values()])
    files = {key: None if _is_hidden(file) else file for key, (file, _) in listed.items()}

    def name(key: int) -> str | None:
        if key not in files:
            raise LandingChangedError(f"{location} changed while it was read; run the job again")
        return files[key]

    def read_lines(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        reader = FileReader(table)
        return reader.in_batches(
            row
            for key, chunks in groupby(_chunks(batches), key=itemgetter(0))
            if (file := name(key)) is not None
            for row in reader.read(file, (lines for _, lines in chunks))
        )

    def read_contents(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        reader = FileReader(table)
        return reader.in_batches(
            row
            for batch in batches
            for key, content in zip(*batch.columns, strict=True)
            if (file := name(key.as_py())) is not None
            for row in reader.read_content(file, content.as_py())
        )

    folder = spark.read.option("recursiveFileLookup", "true")
    # The folder, not the paths that were listed: Spark would look up each of them again (10,000: 24 s instead of 4).
    # Neither Spark nor Arrow looks at the bytes of a line, which need not be UTF-8.
    lines = folder.text(location, lineSep="\n")
    if not any(file.endswith(_CODECS) for file in files.values() if file):
        return lines.select(_key(), "value").mapInArrow(read_lines, schema)
    # Spark does not open the files that this condition leaves out.
    lines = lines.where(" and ".join(f"not endswith(_metadata.file_name, '{codec}')" for codec in _CODECS))
    compressed = folder.option("pathGlobFilter", "{" + ",".join("*" + codec for codec in _CODECS) + "}")
    contents = compressed.format("binaryFile").load(location)
    rows = lines.select(_key(), "value").mapInArrow(read_lines, schema)
    return rows.union(contents.select(_key(), "content").mapInArrow(read_contents, schema))


def _chunks(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, pa.Array]]:
    """(key of a file, some of its lines), in their order."""
    for batch in batches:
        runs = pc.run_end_encode(batch.column(0))
        lines = batch.column(1).cast(pa.binary())  # which are the same bytes
        start = 0
        for key, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
            yield key, lines[start:end]
            start = end


def exists(spark: SparkSession, location: str) -> bool:
    """Whether there is a file, or a folder with files."""
    path: Any = spark._jvm.org.apache.hadoop.fs.Path(location)  # type: ignore[union-attr]
    return bool(path.getFileSystem(spark._jsc.hadoopConfiguration()).exists(path))


def _key() -> Column:
    """Stands for a line's file: eight bytes a line instead of a path. Of a part of a file that does not start at its
    beginning it is another one, which no listing has."""
    return F.xxhash64(F.input_file_name(), F.expr("input_file_block_start()")).alias("key")


def _listed(spark: SparkSession, location: str) -> dict[int, tuple[str, int]]:
    """{key of a file: (its path below ``location``, its bytes)}."""
    files = spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(location)
    folder = _path(location).rstrip("/") + "/"
    return {
        row.key: (_path(row.path).removeprefix(folder), row.length)
        for row in files.select(_key(), "path", "length").collect()
    }


def _path(uri: str) -> str:
    """A URI without its scheme and bucket, which Hadoop does not always write as they were given."""
    return re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*:(//[^/]*)?", "", uri)


def _is_hidden(file: str) -> bool:
    return any(part.startswith((".", "_")) for part in file.split("/"))


def _set_sizes(spark: SparkSession, lengths: list[int]) -> None:
    """Has each file read by one task from its first line to its last, and small ones many to a task.

    The session's settings are not put back, and sizes only ever raised: Spark looks at them when a frame is first used.
    """
    cores = spark.sparkContext.defaultParallelism
    task = min(_TASK_BYTES, sum(length + _OPEN_BYTES for length in lengths) // cores)
    before = int(spark.conf.get("stedi.landing.taskBytes", "0") or 0)
    largest = max([task, _OPEN_BYTES, before, *lengths])
    spark.conf.set("stedi.landing.taskBytes", largest)
    spark.conf.set("spark.sql.files.maxPartitionBytes", largest)
    spark.conf.set("spark.sql.files.openCostInBytes", _OPEN_BYTES)
    spark.conf.set("spark.sql.files.minPartitionNum", 1)
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", _LINES_OF_A_CHUNK)
