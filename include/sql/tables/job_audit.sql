CREATE TABLE IF NOT EXISTS {{ lake.database }}.job_audit (
  run_id string COMMENT 'the DAG run',
  job string COMMENT 'the table that the job fills',
  source string COMMENT 'the table whose records are counted; device_owners: the devices',
  outcome string COMMENT 'read, or what became of them: kept, duplicate, superseded, filtered, refused; of devices, how the owner was decided; beside the sum: repaired, lines, written (rows of the table that the job filled)',
  reason string COMMENT 'why filtered or refused',
  records bigint
)
COMMENT 'Where every record went. Grain: run, job, source, outcome, reason; read is the sum of the others, but for repaired, lines and written'
PARTITIONED BY (run_id, job)
LOCATION 's3://{{ lake.bucket }}/warehouse/job_audit/'
TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet', 'write_compression' = 'zstd')
