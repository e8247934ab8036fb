-- How many rows the jobs of the last runs wrote to each table.
with {% include 'rules/last_runs.sql' %}

select last_runs.run_id, f.source as table_name, f.value as records
from {{ lake.database }}.job_figures as f
inner join last_runs on last_runs.run_id = f.run_id
where f.figure = 'written'
order by last_runs.checked_at, f.source
