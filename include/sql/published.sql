-- Whether Athena's tables are what this run has released: the same snapshots, with as many rows. It waits until they are.
with released as (
  select
    table_name,
    max_by(snapshot_id, released_at) as snapshot_id,
    max_by(records, released_at) as records
  from {{ lake.database }}.releases
  where run_id = '{{ run_id }}'
  group by table_name
),

found as (
  {%- for table in lake.written %}
  select
    '{{ table }}' as table_name,
    (select snapshot_id from "{{ lake.database }}"."{{ table }}$refs" where name = 'main') as snapshot_id,
    (select count(*) from {{ lake.database }}.{{ table }}) as records
  {% if not loop.last %}union all{% endif %}
  {%- endfor %}
)

select
  count(*) = {{ lake.written | length }} as ready,
  0 as violations
  {%- for table in lake.written %},
  max(case when found.table_name = '{{ table }}' then found.snapshot_id end) as {{ table }}_snapshot,
  max(case when found.table_name = '{{ table }}' then found.records end) as {{ table }}_rows
  {%- endfor %}
from found
inner join released
  on released.table_name = found.table_name
  and released.snapshot_id = found.snapshot_id
  and released.records = found.records
