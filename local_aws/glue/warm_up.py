"""What most jobs use, once: JSON is read, joined and aggregated, Parquet and Iceberg tables written, Glue asked.

``run_script.py`` runs it in a new JVM, so that the first real run finds it loaded and compiled. It writes to a
temporary directory only.
"""

import contextlib
import re
import tempfile

from pyspark.sql import SparkSession, functions

ICEBERG = "org.apache.iceberg.spark.SparkCatalog"

spark = SparkSession.builder.getOrCreate()
with tempfile.TemporaryDirectory() as directory:
    spark.range(1000).selectExpr("id", "id % 10 as key", "uuid() as text").write.json(f"{directory}/json")
    rows = spark.read.schema("id long, key long, text string").json(f"{directory}/json")
    sums = rows.groupBy("key").agg(functions.max("text").alias("most"), functions.count("*").alias("rows"))
    joined = rows.join(functions.broadcast(sums), "key").distinct()
    joined.write.parquet(f"{directory}/parquet")
    spark.read.parquet(f"{directory}/parquet").orderBy("text").collect()
    for setting, value in spark.sparkContext.getConf().getAll():
        if value == ICEBERG and (catalog := re.fullmatch(r"spark\.sql\.catalog\.([^.]+)", setting)):
            with contextlib.suppress(Exception):  # such a job fails by itself
                spark.sql(f"SHOW NAMESPACES IN `{catalog[1]}`").collect()
                spark.conf.set("spark.sql.catalog.warm_up", ICEBERG)
                spark.conf.set("spark.sql.catalog.warm_up.type", "hadoop")
                spark.conf.set("spark.sql.catalog.warm_up.warehouse", directory)
                joined.writeTo("warm_up.of.table").create()
                joined.writeTo("warm_up.of.table").overwrite(functions.lit(True))
                spark.table("warm_up.of.table").count()
