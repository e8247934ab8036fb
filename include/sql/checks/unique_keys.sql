{% from 'rules/ready.sql' import all_ready with context -%}
-- Each table's key occurs once. A row too many is a violation. The key of accelerometer_trusted is all of its columns,
-- since a redelivered reading counts once.
with found as (
  select
    {%- for name in lake.written if lake.tables[name].key %}{% set table = lake.tables[name] %}
    (select count(*) from {{ lake.database }}.{{ name }})
    - (
      select count(*) from (
        select distinct
          {%- for column in table.key %}
          {{ 'lower(trim("' ~ column ~ '"))' if column == table.person else '"' ~ column ~ '"' }} as "{{ column }}"{{ ',' if not loop.last }}
          {%- endfor %}
        from {{ lake.database }}.{{ name }}
      ) as keys
    ) as {{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
)

select
  {{ all_ready() }} as ready,
  {% for name in lake.written if lake.tables[name].key %}{{ name }}{{ ' + ' if not loop.last }}{% endfor %} as violations,
  found.*
from found
