"""The landing zone: what the three sources deliver, and how it is read."""

import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.types import (
    BooleanType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
)

from lakehouse.errors import LandingChangedError
from lakehouse.json_records import RecordReader
from lakehouse.tables import LANDING_TABLES, TABLES, columns

_SPARK_TYPES = {
    "text": StringType(),
    "time": LongType(),
    "consent": LongType(),
    "number": DoubleType(),
    "integer": IntegerType(),
}

#: Each landing table's record as its system writes it. Times are epoch milliseconds, UTC; a birth day stays text,
#: because years like 983 are delivered. Keys that a record lacks are null.
SCHEMAS = {
    table: StructType([StructField(field.key, _SPARK_TYPES[field.kind]) for field in TABLES[table].columns])
    for table in LANDING_TABLES
}

#: What is known of each record beside its fields: json_records.OUTCOME_COLUMNS.
_OUTCOME = StructType(
    [
        StructField("file", StringType()),
        StructField("position", LongType()),
        StructField("reason", StringType()),
        StructField("repaired", BooleanType()),
        StructField("lines", LongType()),
    ]
)

#: Where a record was delivered: its file, below the folder of its table, and the line on which it starts.
LOCATION = ("file", "position")

_MEGABYTE = 1024 * 1024
_TASK_BYTES = 128 * _MEGABYTE
#: What opening a file costs, in bytes read: 10,000 small ones become a few tasks, not as many.
_OPEN_BYTES = _MEGABYTE // 16

#: The ends of names from which Spark's text reader would decompress, and fail or lose lines where a file is damaged.
_CODECS = (".gz", ".bz2", ".deflate", ".lz4", ".snappy", ".zst")


def used(reading: DataFrame) -> DataFrame:
    """The records of ``read_landing`` that can be used."""
    return reading.where(F.col("reason").isNull() & F.col("lines").isNull())


def repaired_files(table: str, reading: DataFrame) -> DataFrame:
    """The used records of each file in which a record was repaired or rejected: of those files, what Athena's JSON
    reader finds is not what ``read_landing`` does. Out: source, file, and ``columns(table)``."""
    odd = reading.where(F.col("repaired") | F.col("reason").isNotNull()).select("file").distinct()
    rows = used(reading).join(odd, on="file", how="left_semi")
    return rows.select(F.lit(table).alias("source"), "file", *columns(table))


def read_landing(spark: SparkSession, table: str, location: str) -> DataFrame:
    """Every record of the files below ``location``, read as docs/landing-files.md says: a row a record.

    Out: the table's columns, typed; file (path below ``location``), position (number of the line on which the record
    starts), reason (why it is rejected; null where it is used), repaired (a plain reader of JSON lines would read it
    otherwise, or not at all). A row whose ``lines`` is not null is no record, but says how many lines its file has.

    A folder that does not exist is an empty one: so it is in S3, and a delivery may lack a source. The files are listed
    now, and read when the frame is used, which raises ``LandingChangedError`` from within Spark if they have changed.
    """
    schema = StructType([StructField(field.name.lower(), field.dataType) for field in SCHEMAS[table]] + list(_OUTCOME))
    if not exists(spark, location):
        return spark.createDataFrame([], schema)
    listed = _listed(spark, location)
    _never_split(spark, [length for _, length in listed.values()])
    files = {key: None if _is_hidden(file) else file for key, (file, _) in listed.items()}
    folder = spark.read.option("recursiveFileLookup", "true")

    def name(key: int) -> str | None:
        if key not in files:
            raise LandingChangedError(f"{location} changed while it was read; run the job again")
        return files[key]

    def read_lines(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        reader = RecordReader(table)
        begun = None
        for batch in batches:
            keys, lines = batch.column(0), batch.column(1).cast(pa.binary())  # which are the same bytes
            runs = pc.run_end_encode(keys)
            start = 0
            for key, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
                if key != begun:
                    begun, file = key, name(key)
                    if file is not None:
                        reader.start(file)
                if file is not None:
                    yield from reader.lines(lines[start:end])
                start = end
            yield from reader.records()
        yield from reader.end()

    def read_whole(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        reader = RecordReader(table)
        for batch in batches:
            for key, content in zip(*batch.columns, strict=True):
                if (file := name(key.as_py())) is not None:
                    yield from reader.whole(file, content.as_py())
                    yield from reader.end()

    # Neither Spark nor Arrow looks at the bytes of a line, which need not be UTF-8.
    lines = folder.option("pathGlobFilter", _not_compressed()).text(location, lineSep="\n")
    records = lines.select(_key(), "value").mapInArrow(read_lines, schema)
    if any(file.endswith(_CODECS) for file in files.values() if file):
        compressed = "{" + ",".join("*" + codec for codec in _CODECS) + "}"
        contents = folder.option("pathGlobFilter", compressed).format("binaryFile").load(location)
        records = records.union(contents.select(_key(), "content").mapInArrow(read_whole, schema))
    return records


def exists(spark: SparkSession, location: str) -> bool:
    """Whether there is a file, or a folder with files."""
    path = spark._jvm.org.apache.hadoop.fs.Path(location)
    return path.getFileSystem(spark._jsc.hadoopConfiguration()).exists(path)


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


def _never_split(spark: SparkSession, lengths: list[int]) -> None:
    """Has each file read by one task from its first line to its last, and small ones many to a task.

    The session's settings are only ever raised and not put back: Spark looks at them when a frame is first used.
    """
    cores = spark.sparkContext.defaultParallelism
    task = min(_TASK_BYTES, sum(length + _OPEN_BYTES for length in lengths) // cores)
    before = int(spark.conf.get("stedi.landing.taskBytes", "0"))
    largest = max([task, _OPEN_BYTES, before, *lengths])
    spark.conf.set("stedi.landing.taskBytes", largest)
    spark.conf.set("spark.sql.files.maxPartitionBytes", largest)
    spark.conf.set("spark.sql.files.openCostInBytes", _OPEN_BYTES)
    spark.conf.set("spark.sql.files.minPartitionNum", 1)


def _not_compressed() -> str:
    """A glob of the names that end in none of _CODECS, whose last letters all differ; globs know no other way."""
    others = ["*[!" + "".join(codec[-1] for codec in _CODECS) + "]"]
    for codec in _CODECS:
        for end in (codec[-length:] for length in range(1, len(codec))):
            others += [f"*[!{codec[-len(end) - 1]}]{end}", end]
    return "{" + ",".join(others) + "}"
