"""The step readings of the curated customers' devices."""

import sys

from pyspark.sql import SparkSession

landing, out = sys.argv[1:]
spark = SparkSession.builder.appName("step_trainer_trusted").getOrCreate()

steps = spark.read.json(f"{landing}/step_trainer")
customers = spark.read.json(f"{out}/customers_curated").select("serialNumber")
trusted = steps.join(customers, "serialNumber").select("sensorReadingTime", "serialNumber", "distanceFromObject")
trusted.write.mode("overwrite").json(f"{out}/step_trainer_trusted")
spark.stop()
