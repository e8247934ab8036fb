"""The landing zone: what the three sources deliver, and how it is read."""

from pyspark.sql import DataFrame, SparkSession
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


def read_landing(spark: SparkSession, table: str, location: str) -> DataFrame:
    """All records of one landing table: the columns of its schema in lower case, a row a record.

    Raises Spark's ``MALFORMED_RECORD_IN_PARSING``, which quotes the record, where a line is not what the schema says:
    better no new table than one that lacks people's records in silence.
    """
    options = {"mode": "FAILFAST", "recursiveFileLookup": "true"}
    records = spark.read.schema(SCHEMAS[table]).options(**options).json(location)
    return records.toDF(*(name.lower() for name in records.columns))
