"""Each step reading with the accelerometer readings of the same person at the same instant.

Such scripts commonly join on the timestamp alone. That pairs different people, and with everybody in the same hour the
rows would grow with the square of the data: so this one joins on the person too.
"""

import sys

from pyspark.sql import SparkSession

_, out = sys.argv[1:]
spark = SparkSession.builder.appName("machine_learning_curated").getOrCreate()

steps = spark.read.json(f"{out}/step_trainer_trusted")
readings = spark.read.json(f"{out}/accelerometer_trusted")
customers = spark.read.json(f"{out}/customers_curated").select("serialNumber", "email")
same_instant = (customers.email == readings.user) & (steps.sensorReadingTime == readings.timestamp)
curated = steps.join(customers, "serialNumber").join(readings, same_instant).drop("email", "user")
curated.write.mode("overwrite").json(f"{out}/machine_learning_curated")
spark.stop()
