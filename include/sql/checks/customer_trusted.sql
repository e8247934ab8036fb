{% from 'rules/compare.sql' import compare with context -%}
{% from 'rules/records.sql' import records, unreadable_figure with context -%}
{% set columns = lake.tables.customer_trusted.columns | map(attribute='name') | list -%}
-- customer_trusted, from customer_lines: of each person and serial number the latest record, of the people whose latest
-- record agrees. A row too many, too few or with another value is a violation.
with customer_records as (
  {{ records('customer_landing') }}
),

-- The columns behind the first two only make the choice between equals the same every time: as the jobs sort them.
ranked as (
  select
    c.*,
    row_number() over (
      partition by person, serialnumber
      order by
        lastupdatedate desc, sharewithresearchasofdate desc nulls first
        {%- for name in columns | sort %}, "{{ name }}" nulls first{% endfor %}
    ) as age,
    first_value(sharewithresearchasofdate) over (
      partition by person
      order by lastupdatedate desc, sharewithresearchasofdate desc nulls first
    ) as consent
  from customer_records as c
),

expected as (
  select * from ranked
  where age = 1 and consent > 0
),

{{ compare('customer_trusted') }}

select true as ready, violations, found, expected {{- unreadable_figure() }}
from compared
