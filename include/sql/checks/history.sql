-- No table lost more than the share max_lost of its rows since the last run whose checks all passed, under the same
-- consent policy. Runs are compared with the last successful run, so the check keeps failing until the rows return or a
-- run with a higher max_lost accepts the loss. The figures are rows lost; a negative number is a gain.
with passed as (
  select run_id, max(checked_at) as checked_at
  from {{ lake.database }}.check_audit
  where run_id <> '{{ run_id }}' and consent_policy = '{{ params.consent_policy }}'
  group by run_id
  having count_if(state <> 'success') = 0
),

baseline as (
  select run_id from passed order by checked_at desc, run_id asc limit 1
),

sizes as (
  select
    source as table_name,
    sum(case when run_id = '{{ run_id }}' then value end) as rows_now,
    sum(case when run_id <> '{{ run_id }}' then value end) as rows_before
  from {{ lake.database }}.job_figures
  where figure = 'written' and (run_id = '{{ run_id }}' or run_id in (select baseline.run_id from baseline))
  group by source
)

select
  count(rows_now) = {{ lake.written | length }} as ready,
  count_if(rows_before - rows_now > {{ params.max_lost }} * rows_before) as violations,
  (select max(baseline.run_id) from baseline) as compared_with
  {%- for table in lake.written %},
  sum(case when table_name = '{{ table }}' then rows_before - rows_now end) as {{ table }}
  {%- endfor %}
from sizes
