{#- Common table expressions: of each landing table <source>_landing the records that can be used, <source>_records, with
    the person, if it has one, trimmed and in lower case.
    Athena reads them itself, but for the files in which a job repaired or rejected a record: there, its JSON reader
    finds other records, or none, and landing_repaired has those that are meant. A blank line is a row of nulls. -#}
{% from 'rules/columns.sql' import fields, person with context -%}
odd_files as (
  select concat('s3://{{ lake.bucket }}/', source, '/', file) as path
  from {{ lake.database }}.landing_repaired
  where run_id = '{{ run_id }}'
  union
  select concat('s3://{{ lake.bucket }}/', source, '/', file) as path
  from {{ lake.database }}.landing_quarantine
  where reason not in ('owner_unknown', 'owner_ambiguous')
)
{%- for table in lake.landing %},

{{ table | replace('_landing', '_records') }} as (
  select {% if lake.tables[table].person %}{{ person(table, 'r') }} as person, {% endif %}{{ fields(table, 'r') }}
  from {{ lake.database }}.{{ table }} as r
  where r."$path" not in (select path from odd_files)
    and r."{{ (lake.tables[table].columns | selectattr('required') | first).name }}" is not null
  union all
  select {% if lake.tables[table].person %}{{ person(table, 'r') }} as person, {% endif %}{{ fields(table, 'r') }}
  from {{ lake.database }}.landing_repaired as r
  where r.source = '{{ table }}' and r.run_id = '{{ run_id }}'
)
{%- endfor %}
