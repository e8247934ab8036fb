CREATE TABLE IF NOT EXISTS {{ lake.database }}.device_owners (
  serialnumber string COMMENT 'the device, on its own word',
  email string COMMENT 'its owner, trimmed and in lower case',
  source string COMMENT 'how that was decided: website_confirmed, readings (the website was wrong), website (its word alone)',
  instants bigint COMMENT 'at how many different instants the device has readings',
  covered bigint COMMENT 'at how many of them the owner has an accelerometer reading'
)
COMMENT 'Whose the devices of curated customers are. Grain: a device'
LOCATION 's3://{{ lake.bucket }}/warehouse/device_owners/'
TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet', 'write_compression' = 'zstd')
