CREATE EXTERNAL TABLE IF NOT EXISTS {{ lake.database }}.step_trainer_landing (
  sensorreadingtime bigint COMMENT 'instant of the reading, epoch milliseconds, UTC',
  serialnumber string COMMENT 'the device, on its own word',
  distancefromobject int
)
COMMENT 'Step readings as the devices deliver them. Grain: a delivered reading'
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true', 'use.null.for.invalid.data' = 'true')
LOCATION 's3://{{ lake.bucket }}/step_trainer_landing/'
