CREATE TABLE IF NOT EXISTS {{ lake.database }}.accelerometer_trusted (
  `user` string COMMENT 'the person: an email, compared trimmed and in lower case',
  `timestamp` bigint COMMENT 'instant of the reading, epoch milliseconds, UTC',
  x double,
  y double,
  z double
)
COMMENT 'Accelerometer readings of trusted customers. Grain: a reading; several fall on one millisecond'
PARTITIONED BY (truncate(86400000, `timestamp`))
LOCATION 's3://{{ lake.bucket }}/warehouse/accelerometer_trusted/'
TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet', 'write_compression' = 'zstd')
