{% from 'rules/ready.sql' import ready with context -%}
-- customer_trusted joined with accelerometer_trusted: each trusted person and serial number with a reading, once.
with {% include 'rules/people.sql' %},

{% include 'rules/readings.sql' %},

counted as (
  select
    (select count(*) from {{ lake.database }}.customers_curated) as found,
    (select count(*) from expected_customers) as expected
)

select {{ ready('customers_curated') }} as ready, abs(found - expected) as violations, found, expected
from counted
