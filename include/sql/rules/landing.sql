{#- Common table expressions: the landing tables' records that can be used, with their keys, and the person trimmed and in
    lower case. A record that lacks a field it must have, or holds an absurd time, is refused by the jobs too. -#}
{% macro instant(column) %}{{ column }} between 0 and 253402300799999{% endmacro -%}
customer_records as (
  select lower(trim(email)) as person, serialnumber, lastupdatedate, sharewithresearchasofdate
  from {{ lake.database }}.customer_landing
  where trim(email) <> '' and trim(serialnumber) <> '' and {{ instant('lastupdatedate') }}
),

accelerometer_records as (
  select lower(trim("user")) as person, "timestamp", x, y, z
  from {{ lake.database }}.accelerometer_landing
  where trim("user") <> '' and {{ instant('"timestamp"') }} and x is not null and y is not null and z is not null
),

step_records as (
  select serialnumber, sensorreadingtime
  from {{ lake.database }}.step_trainer_landing
  where trim(serialnumber) <> '' and {{ instant('sensorreadingtime') }} and distancefromobject is not null
)
