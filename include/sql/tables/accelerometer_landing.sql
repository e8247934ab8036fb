CREATE EXTERNAL TABLE IF NOT EXISTS {{ lake.database }}.accelerometer_landing (
  `user` string COMMENT 'the person: an email, compared trimmed and in lower case',
  `timestamp` bigint COMMENT 'instant of the reading, epoch milliseconds, UTC',
  x double,
  y double,
  z double
)
COMMENT 'Accelerometer readings as the phone app delivers them. Grain: a delivered reading'
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true', 'use.null.for.invalid.data' = 'true')
LOCATION 's3://{{ lake.bucket }}/accelerometer_landing/'
