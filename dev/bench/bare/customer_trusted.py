"""The customers who agreed to share for research."""

import sys

from pyspark.sql import SparkSession

landing, out = sys.argv[1:]
spark = SparkSession.builder.appName("customer_trusted").getOrCreate()

customers = spark.read.json(f"{landing}/customer")
trusted = customers.filter("shareWithResearchAsOfDate is not null and shareWithResearchAsOfDate <> 0")
trusted.write.mode("overwrite").json(f"{out}/customer_trusted")
spark.stop()
