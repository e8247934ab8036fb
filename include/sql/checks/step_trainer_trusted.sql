{% from 'rules/agreed.sql' import agreed with context -%}
{% from 'rules/columns.sql' import fields, person with context -%}
{% from 'rules/compare.sql' import compare with context -%}
{% from 'rules/records.sql' import records, unreadable_figure with context -%}
{% set others = lake.tables.step_trainer_trusted.column_names
  | reject('in', ['serialnumber', 'sensorreadingtime']) | list -%}
-- step_trainer_trusted, from step_trainer_lines, device_owners and customers_curated: of each instant of a curated
-- customer's device the reading with the smallest distance. A row too many, too few or with another value is a violation.
with ranked as (
  select
    s.*,
    o.email as person,
    row_number() over (
      partition by s.serialnumber, s.sensorreadingtime
      order by {% for name in others %}s."{{ name }}" nulls first{{ ', ' if not loop.last }}{% endfor %}
    ) as place
  from (
    {{ records('step_trainer_landing') }}
  ) as s
  inner join {{ lake.staged('device_owners') }} as o on o.serialnumber = s.serialnumber
),

agreed as (
  {{ agreed(lake.staged('customers_curated'), person('customers_curated', 'c')) }}
),

expected as (
  select {{ fields('step_trainer_trusted', 'ranked') }}
  from ranked
  inner join agreed on agreed.person = ranked.person
  where ranked.place = 1
  {%- if params.consent_policy == 'reading_time' %} and ranked.sensorreadingtime >= agreed.consented_at{% endif %}
),

{{ compare('step_trainer_trusted') }}

select true as ready, violations, found, expected {{- unreadable_figure() }}
from compared
