CREATE EXTERNAL TABLE IF NOT EXISTS {{ lake.database }}.customer_landing (
  customername string COMMENT 'first and last name',
  email string COMMENT 'the person, compared trimmed and in lower case',
  phone string,
  birthday string COMMENT 'a date as delivered; years like 983 occur',
  serialnumber string COMMENT 'the device, as the website says',
  registrationdate bigint COMMENT 'epoch milliseconds, UTC',
  lastupdatedate bigint COMMENT 'epoch milliseconds, UTC; the latest record of a person is the valid one',
  sharewithresearchasofdate bigint COMMENT 'instant of consent to research; absent, null or 0: none',
  sharewithpublicasofdate bigint COMMENT 'epoch milliseconds, UTC; not consent to research',
  sharewithfriendsasofdate bigint COMMENT 'epoch milliseconds, UTC; not consent to research'
)
COMMENT 'Customer records as the fulfilment website delivers them. Grain: a record'
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true', 'use.null.for.invalid.data' = 'true')
LOCATION 's3://{{ lake.bucket }}/customer_landing/'
