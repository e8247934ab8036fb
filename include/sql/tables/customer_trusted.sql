CREATE TABLE IF NOT EXISTS {{ lake.database }}.customer_trusted (
  customername string COMMENT 'first and last name',
  email string COMMENT 'the person, compared trimmed and in lower case',
  phone string,
  birthday string COMMENT 'a date as delivered; years like 983 occur',
  serialnumber string COMMENT 'the device, as the website says',
  registrationdate bigint COMMENT 'epoch milliseconds, UTC',
  lastupdatedate bigint COMMENT 'epoch milliseconds, UTC',
  sharewithresearchasofdate bigint COMMENT 'instant of consent to research in this record; the latest of the person decides',
  sharewithpublicasofdate bigint COMMENT 'epoch milliseconds, UTC',
  sharewithfriendsasofdate bigint COMMENT 'epoch milliseconds, UTC'
)
COMMENT 'Customers who agreed to share for research. Grain: person and serial number'
LOCATION 's3://{{ lake.bucket }}/warehouse/customer_trusted/'
TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet', 'write_compression' = 'zstd')
