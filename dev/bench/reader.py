"""Reads the three sources, every field of them, to nowhere: ``python reader.py spark|lakehouse LANDING``.

With Spark's own JSON reader, or with the tolerant one of the Glue jobs.
"""

import sys
from pathlib import Path

from pyspark.sql import SparkSession

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "glue_scripts"))

from lakehouse.landing.spark import read_rows
from lakehouse.tables import SOURCES, TABLES

reader, landing = sys.argv[1:]
spark = SparkSession.builder.appName(f"{reader} reader").getOrCreate()
for source, table in SOURCES.items():
    if reader == "spark":
        fields = ", ".join(f"`{column.key}` {column.sql_type}" for column in TABLES[table].columns)
        rows = spark.read.schema(fields).json(f"{landing}/{source}")
    else:
        rows = read_rows(spark, table, f"{landing}/{source}")
    rows.write.format("noop").mode("overwrite").save()
spark.stop()
