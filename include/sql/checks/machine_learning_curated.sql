{% from 'rules/columns.sql' import person with context -%}
{% from 'rules/compare.sql' import compare with context -%}
{% set of_the_step = lake.tables.step_trainer_trusted.column_names -%}
-- machine_learning_curated, from step_trainer_trusted, device_owners and accelerometer_trusted: each step reading with
-- every reading of the device's owner at that instant. A row too many, too few or with another value is a violation.
with expected as (
  select
    {%- for name in lake.tables.machine_learning_curated.column_names %}
    {{ 's' if name in of_the_step else 'a' }}."{{ name }}"{{ ',' if not loop.last }}
    {%- endfor %}
  from {{ lake.staged('step_trainer_trusted') }} as s
  inner join {{ lake.staged('device_owners') }} as o on o.serialnumber = s.serialnumber
  inner join {{ lake.staged('accelerometer_trusted') }} as a
    on a."timestamp" = s.sensorreadingtime and {{ person('accelerometer_trusted', 'a') }} = o.email
),

{{ compare('machine_learning_curated') }}

select true as ready, violations, found, expected
from compared
