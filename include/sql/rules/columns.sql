{#- Column lists from the description of the tables. -#}

{#- The person that a row of a table is about, trimmed and in lower case. -#}
{%- macro person(table, alias) -%}
lower(trim({{ alias }}."{{ lake.tables[table].person }}"))
{%- endmacro -%}

{#- A table's columns, but for the one with the person. -#}
{%- macro fields(table, alias) -%}
{%- for column in lake.tables[table].columns if column.name != lake.tables[table].person -%}
{{ alias }}."{{ column.name }}"{{ ', ' if not loop.last }}
{%- endfor -%}
{%- endmacro -%}
