CREATE EXTERNAL TABLE IF NOT EXISTS {{ lake.database }}.check_audit (
  run_id string COMMENT 'the DAG run',
  checked_at bigint COMMENT 'when the run was reported, epoch milliseconds, UTC',
  consent_policy string COMMENT 'what the run was asked for',
  match_on string COMMENT 'what the run was asked for',
  check_name string,
  state string COMMENT 'success, failed, or what kept the check from being made',
  violations bigint,
  figures string COMMENT 'what the check counted, as JSON'
)
COMMENT 'What the checks of each run found; a run that is reported again replaces its rows. Grain: run and check'
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
LOCATION 's3://{{ lake.bucket }}/check_audit/'
