-- Where the records of this run went.
select job, source, outcome, reason, records
from {{ lake.database }}.job_audit
where run_id = '{{ run_id }}'
