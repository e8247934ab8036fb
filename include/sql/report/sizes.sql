-- How many rows the jobs of the last runs wrote into each table.
with {% include 'rules/last_runs.sql' %}

select last_runs.run_id, j.source as table_name, j.records
from {{ lake.database }}.job_audit as j
inner join last_runs on last_runs.run_id = j.run_id
where j.outcome = 'written'
order by last_runs.checked_at, j.source
