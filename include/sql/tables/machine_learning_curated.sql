CREATE TABLE IF NOT EXISTS {{ lake.database }}.machine_learning_curated (
  serialnumber string COMMENT 'the device',
  sensorreadingtime bigint COMMENT 'instant of the step reading, epoch milliseconds, UTC',
  distancefromobject int,
  `timestamp` bigint COMMENT 'instant of the accelerometer reading: the same',
  x double,
  y double,
  z double
)
COMMENT 'Step readings with the accelerometer readings of their owner at the same instant. Grain: a pair; equal rows are two measurements'
PARTITIONED BY (truncate(86400000, sensorreadingtime))
LOCATION 's3://{{ lake.bucket }}/warehouse/machine_learning_curated/'
TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet', 'write_compression' = 'zstd')
