{% from 'rules/ready.sql' import ready with context -%}
-- step_trainer_trusted joined with accelerometer_trusted: each step reading once for every reading of
-- the device's owner at the same instant.
with {% include 'rules/people.sql' %},

{% include 'rules/readings.sql' %},

{% include 'rules/devices.sql' %},

{% include 'rules/steps.sql' %},

counted as (
  select
    (select count(*) from {{ lake.database }}.machine_learning_curated) as found,
    (
      select count(*) from expected_steps as s
      inner join expected_readings as a
        on a."timestamp" = s.sensorreadingtime and a.person = s.owner
    ) as expected
)

select {{ ready('machine_learning_curated') }} as ready, abs(found - expected) as violations, found, expected
from counted
