{#- Creates one table of tables.toml (`table`), unless it is there. -#}
CREATE {{ 'TABLE' if table.format == 'iceberg' else 'EXTERNAL TABLE' }} IF NOT EXISTS {{ lake.database }}.{{ table.name }} (
  {%- for column in table.columns %}
  `{{ column.name }}` {{ column.sql_type }} COMMENT '{{ column.comment }}'{{ ',' if not loop.last }}
  {%- endfor %}
)
COMMENT '{{ table.comment }}'
{%- if table.format == 'iceberg' %}
{%- if table.partitioned_by %}
PARTITIONED BY ({{ table.partitioned_by | join(', ') }})
{%- endif %}
LOCATION 's3://{{ lake.bucket }}/{{ table.folder }}/'
TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet', 'write_compression' = 'zstd')
{%- elif table.format == 'text' %}
ROW FORMAT DELIMITED
LOCATION 's3://{{ lake.bucket }}/{{ table.folder }}/'
{%- else %}
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
{%- if table.format == 'landing' %}
WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true', 'use.null.for.invalid.data' = 'true')
{%- endif %}
LOCATION 's3://{{ lake.bucket }}/{{ table.folder }}/'
{%- endif %}
