-- What the checks of the last runs found.
with {% include 'rules/last_runs.sql' %}

select c.run_id, c.checked_at, c.check_name, c.state, c.violations
from {{ lake.database }}.check_audit as c
inner join last_runs on last_runs.run_id = c.run_id
order by c.checked_at, c.check_name
