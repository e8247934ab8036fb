"""The landing zone: what the three sources deliver, and how it is read."""

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.types import DoubleType, IntegerType, LongType, StringType, StructField, StructType

#: Each landing table's record as its system writes it. Times are epoch milliseconds, UTC; a birth day stays text,
#: because years like 983 are delivered. Keys that a record lacks are null.
SCHEMAS = {
    "customer_landing": StructType(
        [
            StructField("customerName", StringType()),
            StructField("email", StringType()),
            StructField("phone", StringType()),
            StructField("birthDay", StringType()),
            StructField("serialNumber", StringType()),
            StructField("registrationDate", LongType()),
            StructField("lastUpdateDate", LongType()),
            StructField("shareWithResearchAsOfDate", LongType()),
            StructField("shareWithPublicAsOfDate", LongType()),
            StructField("shareWithFriendsAsOfDate", LongType()),
        ]
    ),
    "accelerometer_landing": StructType(
        [
            StructField("user", StringType()),
            StructField("timestamp", LongType()),
            StructField("x", DoubleType()),
            StructField("y", DoubleType()),
            StructField("z", DoubleType()),
        ]
    ),
    "step_trainer_landing": StructType(
        [
            StructField("sensorReadingTime", LongType()),
            StructField("serialNumber", StringType()),
            StructField("distanceFromObject", IntegerType()),
        ]
    ),
}


class LandingError(ValueError):
    """A landing table holds what cannot be read; the message says how much, where, and what to do."""


def read_landing(spark: SparkSession, table: str, location: str) -> DataFrame:
    """All records of one landing table: the columns of its schema in lower case, a row a line.

    Raises LandingError where a line is not what the schema says: better no new table than one that lacks people's
    records in silence.
    """
    # Without its column in the schema, a record that cannot be read would be a row of nulls.
    schema = StructType([*SCHEMAS[table], StructField("_unreadable", StringType())])
    options = {"columnNameOfCorruptRecord": "_unreadable", "recursiveFileLookup": "true"}
    records = spark.read.schema(schema).options(**options).json(location)
    unreadable = F.col("_unreadable").isNotNull()
    records = records.withColumn("_file", F.when(unreadable, F.input_file_name())).persist()
    count, first = records.where(unreadable).agg(F.count("*"), F.min(F.struct("_file", "_unreadable"))).first()
    if count:
        raise LandingError(
            f"{count} lines of {table} cannot be read; the first, in {first._file}: {first._unreadable[:200]!r}. "
            "Mend them at the source and deliver again; no table was changed by this job"
        )
    return records.drop("_unreadable", "_file").toDF(*(field.name.lower() for field in SCHEMAS[table]))
