-- Nothing disappears. For each job and source, the records read are the sum over their outcomes. What was read from a
-- landing table is what Athena itself counts there: in lines, and in records, those refused at reading included. Ready
-- when all jobs have written their audit.
with {% include 'rules/landing.sql' %},

sums as (
  select
    job,
    source,
    sum(case when outcome = 'read' then records else 0 end) as records_read,
    sum(case when outcome in ('read', 'repaired', 'lines') then 0 else records end) as records_judged,
    sum(case when outcome = 'lines' then records else 0 end) as lines_read
  from {{ lake.database }}.job_audit
  where run_id = '{{ run_id }}' and outcome <> 'written'
  group by job, source
),

landed as (
  {% for table in lake.landing -%}
  select
    '{{ table }}' as source,
    (select count(*) from {{ lake.database }}.{{ table }}) as lines,
    (select count(*) from {{ table | replace('_landing', '_records') }})
      + (
        select count(*) from {{ lake.database }}.landing_quarantine
        where source = '{{ table }}' and reason not in ('owner_unknown', 'owner_ambiguous')
      ) as records
  {% if not loop.last %}union all{% endif %}
  {% endfor -%}
)

select
  count(distinct sums.job) = {{ lake.jobs | length }} as ready,
  count_if(sums.records_read <> sums.records_judged) + count_if(sums.records_read <> landed.records)
    + count_if(sums.lines_read <> landed.lines) as violations,
  count(*) as sums,
  count_if(sums.records_read <> sums.records_judged) as not_closed,
  count_if(sums.records_read <> landed.records) as other_records_landed,
  count_if(sums.lines_read <> landed.lines) as other_lines_landed,
  sum(sums.records_read) as records_read
from sums
left join landed on landed.source = sums.source
