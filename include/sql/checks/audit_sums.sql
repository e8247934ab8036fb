{% from 'rules/records.sql' import has_text, lines, odd_files, rejected, repaired, unreadable_figure with context -%}
-- Nothing disappears. For each job and source, the records read are the sum over their outcomes. What was read from a
-- landing table is what Athena itself counts there: in lines, and in records, those rejected at reading included. Ready
-- when all jobs have written their figures.
with figures as (
  select
    job,
    source,
    sum(case when figure = 'read' then value end) as records_read,
    sum(case when figure = 'lines' then value end) as lines_read
  from {{ lake.database }}.job_figures
  where run_id = '{{ run_id }}'
  group by job, source
),

outcomes as (
  select job, source, sum(records) as records
  from {{ lake.database }}.job_audit
  where run_id = '{{ run_id }}'
  group by job, source
),

{% for table in lake.landing -%}
{{ table }}_lines as (
  {{ lines(table) }}
),

{{ table }}_odd_files as (
  {{ odd_files(table) }}
),

{% endfor -%}

landed as (
  {% for table in lake.landing -%}
  select
    '{{ table }}' as source,
    count(*) as lines,
    count_if(o.path is null and {{ has_text('l.line') }})
      + (select count(*) from ({{ repaired(table) }}) as r)
      + (select count(*) from ({{ rejected(table) }}) as q) as records
  from {{ table }}_lines as l
  left join {{ table }}_odd_files as o on o.path = l.path
  {% if not loop.last %}union all{% endif %}
  {% endfor -%}
),

sums as (
  select
    figures.job,
    figures.records_read,
    figures.records_read <> coalesce(outcomes.records, 0) as not_closed,
    figures.records_read <> landed.records as other_records_landed,
    figures.lines_read <> landed.lines as other_lines_landed
  from figures
  left join outcomes on outcomes.job = figures.job and outcomes.source = figures.source
  left join landed on landed.source = figures.source
)

select
  count(distinct job) = {{ lake.jobs | length }} as ready,
  count_if(not_closed) + count_if(other_records_landed) + count_if(other_lines_landed) as violations,
  count(records_read) as sums,
  count_if(not_closed) as not_closed,
  count_if(other_records_landed) as other_records_landed,
  count_if(other_lines_landed) as other_lines_landed,
  sum(records_read) as records_read
  {{- unreadable_figure() }}
from sums
