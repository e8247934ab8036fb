-- What the jobs of this run counted.
select job, source, figure, value
from {{ lake.database }}.job_figures
where run_id = '{{ run_id }}'
