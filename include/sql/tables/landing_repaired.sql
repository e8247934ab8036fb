CREATE EXTERNAL TABLE IF NOT EXISTS {{ lake.database }}.landing_repaired (
  source string COMMENT 'the landing table',
  file string COMMENT 'path below the folder of the landing table',
  customername string,
  email string,
  phone string,
  birthday string,
  serialnumber string,
  registrationdate bigint,
  lastupdatedate bigint,
  sharewithresearchasofdate bigint,
  sharewithpublicasofdate bigint,
  sharewithfriendsasofdate bigint,
  `user` string,
  `timestamp` bigint,
  x double,
  y double,
  z double,
  sensorreadingtime bigint,
  distancefromobject int,
  run_id string COMMENT 'the DAG run that read them'
)
COMMENT 'What the jobs read from the landing files with a repaired or refused record, which Athena reads otherwise. Grain: a used record of such a file'
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
LOCATION 's3://{{ lake.bucket }}/landing_repaired/'
