-- Nothing disappears: for each job and source, the records read are the sum over their outcomes, and what was read from
-- a landing table is what Athena itself counts there. Ready when all five jobs have written their audit.
with sums as (
  select
    job,
    source,
    sum(case when outcome = 'read' then records else 0 end) as records_read,
    sum(case when outcome <> 'read' then records else 0 end) as records_judged
  from {{ lake.database }}.job_audit
  where run_id = '{{ run_id }}'
  group by job, source
),

landed as (
  select 'customer_landing' as source, count(*) as records from {{ lake.database }}.customer_landing
  union all
  select 'accelerometer_landing', count(*) from {{ lake.database }}.accelerometer_landing
  union all
  select 'step_trainer_landing', count(*) from {{ lake.database }}.step_trainer_landing
)

select
  count(distinct sums.job) = {{ lake.jobs | length }} as ready,
  count_if(sums.records_read <> sums.records_judged) + count_if(sums.records_read <> landed.records) as violations,
  count(*) as sums,
  count_if(sums.records_read <> sums.records_judged) as not_closed,
  count_if(sums.records_read <> landed.records) as differ_from_landing,
  sum(sums.records_read) as records_read
from sums
left join landed on landed.source = sums.source
