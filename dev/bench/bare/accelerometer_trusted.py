"""The accelerometer readings of the customers who agreed."""

import sys

from pyspark.sql import SparkSession

landing, out = sys.argv[1:]
spark = SparkSession.builder.appName("accelerometer_trusted").getOrCreate()

readings = spark.read.json(f"{landing}/accelerometer")
customers = spark.read.json(f"{out}/customer_trusted")
trusted = readings.join(customers, readings.user == customers.email).select("user", "timestamp", "x", "y", "z")
trusted.write.mode("overwrite").json(f"{out}/accelerometer_trusted")
spark.stop()
