{% from 'rules/agreed.sql' import agreed with context -%}
{% from 'rules/columns.sql' import person with context -%}
{% from 'rules/records.sql' import records, unreadable_figure with context -%}
-- Nobody without consent in any table, under the run's policy. A row of somebody who did not agree, or from before
-- they agreed where the policy asks for that, is a violation. Who agreed is worked out from customer_lines; whose a device
-- is, is in device_owners, which a check of its own compares with the landing files.
with customer_records as (
  {{ records('customer_landing') }}
),

agreed as (
  {{ agreed('customer_records') }}
),

found as (
  {%- for name in lake.written %}{% set table = lake.tables[name] %}
  select
    '{{ name }}' as table_name,
    {{ person(name, 't') if table.person else 'cast(null as varchar)' }} as person,
    {{ 'cast(null as varchar)' if table.person else 't."' ~ table.device ~ '"' }} as device,
    {{ 't."' ~ table.instant ~ '"' if table.instant else 'cast(null as bigint)' }} as instant
  from {{ lake.staged(name) }} as t
  {% if not loop.last %}union all{% endif %}
  {%- endfor %}
),

judged as (
  select
    f.table_name,
    a.person is null
    {%- if params.consent_policy == 'reading_time' %} or coalesce(f.instant < a.consented_at, false){% endif %} as is_violation
  from found as f
  left join {{ lake.staged('device_owners') }} as o on o.serialnumber = f.device
  left join agreed as a on a.person = coalesce(f.person, o.email)
)

select
  true as ready,
  count_if(is_violation) as violations
  {%- for name in lake.written %},
  count_if(is_violation and table_name = '{{ name }}') as {{ name }}
  {%- endfor %}
  {{- unreadable_figure() }}
from judged
