{% from 'rules/columns.sql' import fields, person with context -%}
{% from 'rules/compare.sql' import compare with context -%}
{% from 'rules/ready.sql' import ready with context -%}
-- customers_curated, from customer_trusted and accelerometer_trusted: the trusted customers with a trusted reading. A row
-- too many, too few or with another value is a violation.
with expected as (
  select {{ person('customer_trusted', 'c') }} as person, {{ fields('customer_trusted', 'c') }}
  from {{ lake.database }}.customer_trusted as c
  where {{ person('customer_trusted', 'c') }} in (
    select {{ person('accelerometer_trusted', 'a') }} from {{ lake.database }}.accelerometer_trusted as a
  )
),

{{ compare('customers_curated') }}

select {{ ready('customers_curated') }} as ready, violations, found, expected
from compared
