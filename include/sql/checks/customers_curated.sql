{% from 'rules/columns.sql' import fields, person with context -%}
{% from 'rules/compare.sql' import compare with context -%}
-- customers_curated, from customer_trusted and accelerometer_trusted: the trusted customers with a trusted reading. A row
-- too many, too few or with another value is a violation.
with expected as (
  select {{ person('customer_trusted', 'c') }} as person, {{ fields('customer_trusted', 'c') }}
  from {{ lake.staged('customer_trusted') }} as c
  where {{ person('customer_trusted', 'c') }} in (
    select {{ person('accelerometer_trusted', 'a') }} from {{ lake.staged('accelerometer_trusted') }} as a
  )
),

{{ compare('customers_curated') }}

select true as ready, violations, found, expected
from compared
