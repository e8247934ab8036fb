-- No table lost more than `max_lost` of its rows since the last release under the same consent policy. The check keeps
-- failing until the rows return or a run with a higher max_lost accepts the loss. The figures are rows lost; a negative
-- number is a gain. The first run under a policy has nothing to compare with.
with baseline as (
  select table_name, run_id, records
  from (
    select
      table_name,
      run_id,
      records,
      row_number() over (partition by table_name order by released_at desc) as age
    from {{ lake.database }}.releases
    where run_id <> '{{ run_id }}' and consent_policy = '{{ params.consent_policy }}'
  ) as releases
  where age = 1
),

sizes as (
  select
    w.source as table_name,
    w.value as rows_now,
    b.records as rows_before,
    b.run_id as compared_with
  from {{ lake.database }}.job_figures as w
  left join baseline as b on b.table_name = w.source
  where w.figure = 'written' and w.run_id = '{{ run_id }}'
)

select
  count(*) = {{ lake.written | length }} as ready,
  count_if(rows_before - rows_now > {{ params.max_lost }} * rows_before) as violations,
  coalesce(max(compared_with), 'nothing: no release under this consent policy') as compared_with
  {%- for table in lake.written %},
  sum(case when table_name = '{{ table }}' then rows_before - rows_now end) as {{ table }}
  {%- endfor %}
from sizes
