-- No table lost more than the share max_lost of its rows since the last run whose checks were all green, under the same
-- consent policy and match. A run that lost too much is none that later ones are compared with: they stay red until
-- the rows are back, or a run with a higher max_lost accepts the loss. The figures are rows lost (gained: below zero).
with green as (
  select run_id, max(checked_at) as checked_at
  from {{ lake.database }}.check_audit
  where run_id <> '{{ run_id }}'
    and consent_policy = '{{ params.consent_policy }}' and match_on = '{{ params.match_on }}'
  group by run_id
  having count_if(state <> 'success') = 0
),

baseline as (
  select run_id from green order by checked_at desc, run_id limit 1
),

sizes as (
  select
    source as table_name,
    sum(case when run_id = '{{ run_id }}' then records end) as rows_now,
    sum(case when run_id <> '{{ run_id }}' then records end) as rows_before
  from {{ lake.database }}.job_audit
  where outcome = 'written' and (run_id = '{{ run_id }}' or run_id in (select run_id from baseline))
  group by source
)

select
  count(rows_now) = {{ lake.filled | length }} as ready,
  count_if(rows_before - rows_now > {{ params.max_lost }} * rows_before) as violations,
  (select max(run_id) from baseline) as compared_with
  {%- for table in lake.filled %},
  sum(case when table_name = '{{ table }}' then rows_before - rows_now end) as {{ table }}
  {%- endfor %}
from sizes
