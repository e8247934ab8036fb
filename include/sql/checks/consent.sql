{% from 'rules/ready.sql' import ready with context -%}
-- Nobody without consent in any table, under the run's policy. A row of somebody who did not agree, or from before
-- they agreed where the policy asks for that, is a violation. Consent, and whose a device is, are recomputed from the
-- landing tables.
{% set before_consent = "false" if params.consent_policy == "customer" else "{} < agreed.consented_at" -%}
with {% include 'rules/people.sql' %},

{% include 'rules/devices.sql' %},

found as (
  select
    (
      select count(*) from {{ lake.database }}.customer_trusted as c
      left join agreed on agreed.person = lower(trim(c.email))
      where agreed.person is null
    ) as customer_trusted,
    (
      select count(*) from {{ lake.database }}.accelerometer_trusted as a
      left join agreed on agreed.person = lower(trim(a."user"))
      where agreed.person is null or {{ before_consent.format('a."timestamp"') }}
    ) as accelerometer_trusted,
    (
      select count(*) from {{ lake.database }}.customers_curated as c
      left join agreed on agreed.person = lower(trim(c.email))
      where agreed.person is null
    ) as customers_curated,
    (
      select count(*) from {{ lake.database }}.step_trainer_trusted as s
      left join devices on devices.serialnumber = s.serialnumber
      left join agreed on agreed.person = devices.owner
      where agreed.person is null or {{ before_consent.format('s.sensorreadingtime') }}
    ) as step_trainer_trusted,
    (
      select count(*) from {{ lake.database }}.device_owners as d
      left join agreed on agreed.person = d.email
      where agreed.person is null
    ) as device_owners,
    (
      select count(*) from {{ lake.database }}.machine_learning_curated as m
      left join devices on devices.serialnumber = m.serialnumber
      left join agreed on agreed.person = devices.owner
      where agreed.person is null or {{ before_consent.format('m.sensorreadingtime') }}
    ) as machine_learning_curated
)

select
  {{ ready('machine_learning_curated') }} as ready,
  customer_trusted + accelerometer_trusted + customers_curated + step_trainer_trusted + device_owners
    + machine_learning_curated as violations,
  found.*
from found
