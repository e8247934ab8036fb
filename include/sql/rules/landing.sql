{#- Common table expressions: of each landing table <source>_landing the records that can be used, <source>_records, with
    the person trimmed and in lower case.
    Athena reads them itself, but for the files in which a job repaired or refused a record: there, its JSON reader
    finds other records, or none, and landing_repaired has those that are meant. A blank line is a row of nulls. -#}
{% macro own(table) -%}
from {{ lake.database }}.{{ table }}
  where "$path" not in (select path from odd_files)
{%- endmacro -%}
{% macro repaired(table) -%}
from {{ lake.database }}.landing_repaired
  where source = '{{ table }}' and run_id = '{{ run_id }}'
{%- endmacro -%}
odd_files as (
  select concat('s3://{{ lake.bucket }}/', source, '/', file) as path
  from {{ lake.database }}.landing_repaired
  where run_id = '{{ run_id }}'
  union
  select concat('s3://{{ lake.bucket }}/', source, '/', file) as path
  from {{ lake.database }}.landing_quarantine
  where reason not in ('owner_unknown', 'owner_ambiguous')
),

customer_records as (
  select lower(trim(email)) as person, serialnumber, registrationdate, lastupdatedate, sharewithresearchasofdate
  {{ own('customer_landing') }} and email is not null
  union all
  select lower(trim(email)), serialnumber, registrationdate, lastupdatedate, sharewithresearchasofdate
  {{ repaired('customer_landing') }}
),

accelerometer_records as (
  select lower(trim("user")) as person, "timestamp", x, y, z
  {{ own('accelerometer_landing') }} and "user" is not null
  union all
  select lower(trim("user")), "timestamp", x, y, z
  {{ repaired('accelerometer_landing') }}
),

step_trainer_records as (
  select serialnumber, sensorreadingtime
  {{ own('step_trainer_landing') }} and serialnumber is not null
  union all
  select serialnumber, sensorreadingtime
  {{ repaired('step_trainer_landing') }}
)
