{% from 'rules/ready.sql' import ready with context -%}
-- Each table's key occurs once. A row too many is a violation. accelerometer_trusted has no key: no reading in it may
-- equal another in all fields, since a redelivery counts once.
{% macro surplus(table, key) -%}
(select count(*) from {{ lake.database }}.{{ table }})
    - (select count(*) from (select distinct {{ key }} from {{ lake.database }}.{{ table }}) as keys)
{%- endmacro -%}
with found as (
  select
    {{ surplus('customer_trusted', 'lower(trim(email)), serialnumber') }} as customer_trusted,
    {{ surplus('accelerometer_trusted', 'lower(trim("user")), "timestamp", x, y, z') }} as accelerometer_trusted,
    {{ surplus('customers_curated', 'lower(trim(email)), serialnumber') }} as customers_curated,
    {{ surplus('step_trainer_trusted', 'serialnumber, sensorreadingtime') }} as step_trainer_trusted
)

select
  {{ ready('step_trainer_trusted') }} as ready,
  customer_trusted + accelerometer_trusted + customers_curated + step_trainer_trusted as violations,
  found.*
from found
