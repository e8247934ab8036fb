-- What became of the records of this run.
select job, source, outcome, reason, records
from {{ lake.database }}.job_audit
where run_id = '{{ run_id }}'
