"""The customers who agreed and have accelerometer readings."""

import sys

from pyspark.sql import SparkSession

_, out = sys.argv[1:]
spark = SparkSession.builder.appName("customers_curated").getOrCreate()

customers = spark.read.json(f"{out}/customer_trusted")
readings = spark.read.json(f"{out}/accelerometer_trusted")
curated = customers.join(readings, customers.email == readings.user).select(*customers.columns).dropDuplicates()
curated.write.mode("overwrite").json(f"{out}/customers_curated")
spark.stop()
