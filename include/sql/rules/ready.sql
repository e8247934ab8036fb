{#- Whether this run has committed a table: its run id is in the summary of one of the table's snapshots. -#}
{%- macro ready(table) -%}
exists (
  select 1
  from "{{ lake.database }}"."{{ table }}$snapshots"
  where element_at(summary, 'run_id') = '{{ run_id }}'
)
{%- endmacro -%}

{#- Whether this run has committed every table that jobs write. -#}
{%- macro all_ready() -%}
{%- for table in lake.written %}{{ ready(table) }}{{ ' and ' if not loop.last }}{% endfor -%}
{%- endmacro -%}
