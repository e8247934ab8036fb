{#- The records in the landing files, as Athena reads them: line by line, with its JSON functions. In files with a repaired
    or rejected record other objects are meant than there are lines, and landing_repaired has those. Files that Athena
    cannot read fail a query that opens them: unreadable_files (a task of the DAG) found them, and only constants keep
    Athena from opening them. -#}

{#- Whether a text has more than the white space of JSON. Not by trim, which looks for every white space of Unicode. -#}
{%- macro has_text(text) -%} regexp_like({{ text }}, '[^ \t\r\n]') {%- endmacro -%}

{#- The value of a field in a line, as the jobs read it; null where it is absent. -#}
{%- macro value(column) -%}
{%- set text = "json_extract_scalar(line, '$." ~ column.key ~ "')" -%}
{%- if column.kind == 'text' and column.required -%} {{ text }}
{%- elif column.kind == 'text' -%} case when {{ has_text(text) }} then {{ text }} end
{%- elif column.kind == 'consent' -%} nullif(try_cast({{ text }} as bigint), 0)
{%- elif column.kind == 'number' -%} try_cast({{ text }} as double) + 0e0 {#- -0.0 is 0.0 #}
{%- else -%} try_cast({{ text }} as {{ column.sql_type }})
{%- endif -%}
{%- endmacro -%}

{#- The paths of a landing table's files that Athena cannot read, as a list of literals; empty where there are none. -#}
{%- macro unreadable(table) -%}
{%- for path in (ti.xcom_pull(task_ids='unreadable_files') or {}).get(table, []) -%}
{{ ', ' if not loop.first }}'{{ path | replace("'", "''") }}'
{%- endfor -%}
{%- endmacro -%}

{#- A figure that names all of them; nothing where there are none. -#}
{%- macro unreadable_figure() -%}
{%- set paths = (ti.xcom_pull(task_ids='unreadable_files') or {}).values() | sum(start=[]) -%}
{%- if paths -%}, '{{ paths | join(', ') | replace("'", "''") }}' as unreadable_files{%- endif -%}
{%- endmacro -%}

{#- What landing_repaired has of a landing table: line. -#}
{%- macro repaired(table) -%}
select line from {{ lake.database }}.landing_repaired
where "$path" like 's3://{{ lake.bucket }}/landing_repaired/{{ table }}/%'
{%- endmacro -%}

{#- What landing_quarantine has of a landing table that was rejected at reading, not by the rules of a table: file. -#}
{%- macro rejected(table) -%}
select file from {{ lake.database }}.landing_quarantine
where source = '{{ table }}' and reason not in ('owner_unknown', 'owner_ambiguous')
{%- endmacro -%}

{#- Those files of a landing table whose records are in landing_repaired or in landing_quarantine: path. -#}
{%- macro odd_files(table) -%}
select concat('s3://{{ lake.bucket }}/{{ table }}/', file) as path
from (
  select json_extract_scalar(line, '$.file') as file from ({{ repaired(table) }}) as repaired
  union
  {{ rejected(table) }}
) as files
{%- endmacro -%}

{#- The lines of a landing table's files that Athena can read: line, path. -#}
{%- macro lines(table) -%}
{%- set constants = unreadable(table) -%}
select line, "$path" as path
from {{ lake.database }}.{{ table | replace('_landing', '_lines') }}
{% if constants %}where "$path" not in ({{ constants }}){% endif %}
{%- endmacro -%}

{#- The lines of the usable records of a landing table: line. -#}
{%- macro usable_lines(table) -%}
select line from ({{ lines(table) }}) as readable
where {{ has_text('line') }} and path not in ({{ odd_files(table) }})
union all
{{ repaired(table) }}
{%- endmacro -%}

{#- The person in a line of a landing table, trimmed and in lower case. -#}
{%- macro person_in_line(table) -%}
{%- set description = lake.tables[table] -%}
lower(trim({{ value(description.columns | selectattr('name', 'equalto', description.person) | first) }}))
{%- endmacro -%}

{#- The usable records of a landing table: its columns, or those that are named; and person, if it has one, trimmed and
    in lower case. of: a relation (person, consented_at), whose people's records alone are wanted, each with consented_at;
    of the others nothing but the person is read from the line. -#}
{%- macro records(table, names=none, of=none) -%}
{%- set description = lake.tables[table] -%}
select
  {%- if description.person %}
  {{ 'person, consented_at' if of else person_in_line(table) ~ ' as person' }},
  {%- endif %}
  {%- for column in description.columns if names is none or column.name in names %}
  {{ value(column) }} as "{{ column.name }}"{{ ',' if not loop.last }}
  {%- endfor %}
from (
  {%- if of %}
  select usable.line, people.person, people.consented_at
  from (
    select line, {{ person_in_line(table) }} as person
    from ({{ usable_lines(table) }}) as lines
  ) as usable
  inner join {{ of }} as people on people.person = usable.person
  {%- else %}
  {{ usable_lines(table) }}
  {%- endif %}
) as used
{%- endmacro -%}
