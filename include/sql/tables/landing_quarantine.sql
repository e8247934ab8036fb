CREATE TABLE IF NOT EXISTS {{ lake.database }}.landing_quarantine (
  source string COMMENT 'the landing table',
  file string COMMENT 'path below the folder of the landing table',
  position bigint COMMENT 'number of the line on which the record starts, from 1',
  reason string COMMENT 'why it cannot be used: not_utf8, not_json, not_an_object, duplicate_key, missing_field, not_text, not_a_number, out_of_range, negative_time, damaged_file, owner_unknown or owner_ambiguous',
  record string COMMENT 'its text; null where it mentions somebody who has not agreed to research',
  run_id string COMMENT 'the DAG run that refused it'
)
COMMENT 'The records that the last run over their source could not use. Grain: a refused record'
PARTITIONED BY (source)
LOCATION 's3://{{ lake.bucket }}/warehouse/landing_quarantine/'
TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet', 'write_compression' = 'zstd')
