{#- Common table expression: compared (found, expected, violations), a table beside `expected`, which has its rows with the
    person, if it has one, trimmed and in lower case, in `person`. A row that one side lacks, or has more often, is a
    violation; a row with one wrong value is two. once: repeated rows of `expected` count once. -#}
{% from 'rules/columns.sql' import fields, person with context -%}
{%- macro compare(table, once=false) -%}
{%- set is_of_a_person = lake.tables[table].person != '' -%}
compared as (
  select
    coalesce(sum(found), 0) as found,
    coalesce(sum(expected), 0) as expected,
    coalesce(sum(abs(found - expected)), 0) as violations
  from (
    select sum(found) as found, {{ 'max' if once else 'sum' }}(expected) as expected
    from (
      select {% if is_of_a_person %}{{ person(table, 't') }} as person, {% endif %}{{ fields(table, 't') }}, 1 as found, 0 as expected
      from {{ lake.staged(table) }} as t
      union all
      select {% if is_of_a_person %}e.person, {% endif %}{{ fields(table, 'e') }}, 0 as found, 1 as expected
      from expected as e
    ) as t
    group by {% if is_of_a_person %}person, {% endif %}{{ fields(table, 't') }}
  ) as differences
)
{%- endmacro -%}
