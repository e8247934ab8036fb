{% from 'rules/ready.sql' import ready with context -%}
-- No row of machine_learning_curated pairs two people: each is one that the readings of the device's owner account for.
{% set shared = lake.tables.accelerometer_landing.columns
  | selectattr('name', 'in', lake.tables.machine_learning_curated.column_names) | list -%}
with {% include 'rules/landing.sql' %},

{% include 'rules/devices.sql' %},

measurements as (
  select serialnumber, {% for column in shared %}"{{ column.name }}", {% endfor %}count(*) as times
  from {{ lake.database }}.machine_learning_curated
  group by serialnumber{% for column in shared %}, "{{ column.name }}"{% endfor %}
),

readings as (
  select distinct person{% for column in shared %}, "{{ column.name }}"{% endfor %}
  from accelerometer_records
),

pairings as (
  select
    sum(m.times) as pairs,
    coalesce(sum(m.times - case when a.person is null then 0 else 1 end), 0) as of_two_people
  from measurements as m
  left join devices on devices.serialnumber = m.serialnumber
  left join readings as a
    on a.person = devices.owner
    {%- for column in shared %}
    and a."{{ column.name }}" {{ '=' if column.required else 'is not distinct from' }} m."{{ column.name }}"
    {%- endfor %}
)

select
  {{ ready('machine_learning_curated') }} as ready,
  of_two_people as violations,
  pairs
from pairings
