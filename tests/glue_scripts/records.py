"""Records of the landing tables in few words, for frames of a few rows."""

import json

from pyspark.sql import DataFrame, SparkSession

from lakehouse.tables import TABLES

SERIAL = "11111111-1111-4111-8111-111111111111"
OTHER_SERIAL = "22222222-2222-4222-8222-222222222222"
NOON = 1_655_553_600_000  # epoch milliseconds


def customer(email: str = "ada@example.com", **columns: object) -> dict:
    """A customer who registered at noon and agreed to research then; ``columns`` says what is different."""
    return {
        "customername": "Ada",
        "email": email,
        "serialnumber": SERIAL,
        "registrationdate": NOON,
        "lastupdatedate": NOON,
        "sharewithresearchasofdate": NOON,
    } | columns


def reading(user: str = "ada@example.com", timestamp: int = NOON, x: float = 0.0, **columns: object) -> dict:
    return {"user": user, "timestamp": timestamp, "x": x, "y": 0.0, "z": 0.0} | columns


def step(sensorreadingtime: int = NOON, serialnumber: str = SERIAL, distancefromobject: int = 250) -> dict:
    return {
        "sensorreadingtime": sensorreadingtime,
        "serialnumber": serialnumber,
        "distancefromobject": distancefromobject,
    }


def frame(spark: SparkSession, table: str, *records: dict) -> DataFrame:
    """Records as the landing reader gives them."""
    return typed_frame(spark, {column.name: column.sql_type for column in TABLES[f"{table}_landing"].columns}, *records)


def typed_frame(spark: SparkSession, types: dict[str, str], *records: dict) -> DataFrame:
    """Records as a frame with columns of these types."""
    schema = ", ".join(f"`{name}`: {sql_type}" for name, sql_type in types.items())
    # Not createDataFrame, which starts a Python worker.
    return spark.sql(f"SELECT inline(from_json(?, 'array<struct<{schema}>>'))", args=[json.dumps(records)])


def outcomes(judged: DataFrame, *columns: str) -> list[tuple]:
    """(the columns named, outcome, reason) of every record, sorted."""
    rows = []
    for *values, copies, outcome, reason in judged.select(*columns, "copies", "outcome", "reason").collect():
        rows += [(*values, outcome, reason), *[(*values, "duplicate", None)] * (copies - 1)]
    return sorted(rows, key=repr)
