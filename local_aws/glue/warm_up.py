"""What most jobs use, once: JSON is read, joined and aggregated, Parquet written, each Iceberg catalog asked.

``run_script.py`` runs it in a new JVM, so that the first real run finds it loaded and compiled.
"""

import contextlib
import re
import tempfile

from pyspark.sql import SparkSession, functions

spark = SparkSession.builder.getOrCreate()
with tempfile.TemporaryDirectory() as directory:
    spark.range(1000).selectExpr("id", "id % 10 as key", "uuid() as text").write.json(f"{directory}/json")
    rows = spark.read.schema("id long, key long, text string").json(f"{directory}/json")
    sums = rows.groupBy("key").agg(functions.max("text"), functions.count("*").alias("rows"))
    rows.join(functions.broadcast(sums), "key").distinct().write.parquet(f"{directory}/parquet")
    spark.read.parquet(f"{directory}/parquet").orderBy("text").collect()
for setting, _ in spark.sparkContext.getConf().getAll():
    if catalog := re.fullmatch(r"spark\.sql\.catalog\.([^.]+)", setting):
        with contextlib.suppress(Exception):  # such a job fails by itself
            spark.sql(f"SHOW NAMESPACES IN `{catalog[1]}`").collect()
