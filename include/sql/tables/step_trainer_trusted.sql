CREATE TABLE IF NOT EXISTS {{ lake.database }}.step_trainer_trusted (
  sensorreadingtime bigint COMMENT 'instant of the reading, epoch milliseconds, UTC',
  serialnumber string COMMENT 'the device, on its own word',
  distancefromobject int
)
COMMENT 'Step readings of the devices of curated customers. Grain: device and instant'
PARTITIONED BY (truncate(86400000, sensorreadingtime))
LOCATION 's3://{{ lake.bucket }}/warehouse/step_trainer_trusted/'
TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet', 'write_compression' = 'zstd')
