{% from 'rules/agreed.sql' import agreed with context -%}
{% from 'rules/columns.sql' import person with context -%}
{% from 'rules/compare.sql' import compare with context -%}
{% from 'rules/records.sql' import records, unreadable_figure with context -%}
-- accelerometer_trusted, from accelerometer_lines and customer_trusted: each different reading of the trusted customers
-- once. A row too many, too few or with another value is a violation.
with agreed as (
  {{ agreed(lake.staged('customer_trusted'), person('customer_trusted', 'c')) }}
),

expected as (
  select readings.*
  from (
    {{ records('accelerometer_landing', of='agreed') }}
  ) as readings
  {% if params.consent_policy == 'reading_time' %}where readings."timestamp" >= readings.consented_at{% endif %}
),

{{ compare('accelerometer_trusted', once=true) }}

select true as ready, violations, found, expected {{- unreadable_figure() }}
from compared
