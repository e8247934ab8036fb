{% from 'rules/agreed.sql' import agreed with context -%}
{% from 'rules/records.sql' import records with context -%}
-- On each day (since 1970, UTC), how many people were first registered, and how many of those who share their data for
-- research now agreed to it.
with customer_records as (
  {{ records('customer_landing', ['registrationdate', 'lastupdatedate', 'sharewithresearchasofdate']) }}
),

agreed as (
  {{ agreed('customer_records') }}
),

registered as (
  select person, min(registrationdate) as registered_at
  from customer_records
  group by person
)

select day, sum(registered) as registered, sum(agreed) as agreed
from (
  select registered_at / 86400000 as day, 1 as registered, 0 as agreed from registered
  where registered_at is not null
  union all
  select consented_at / 86400000 as day, 0 as registered, 1 as agreed from agreed
) as days
group by day
order by day
