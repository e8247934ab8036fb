{% from 'rules/ready.sql' import ready with context -%}
-- step_trainer_landing joined with the curated owners of the devices: each device and instant of theirs, once.
with {% include 'rules/people.sql' %},

{% include 'rules/readings.sql' %},

{% include 'rules/devices.sql' %},

{% include 'rules/steps.sql' %},

counted as (
  select
    (select count(*) from {{ lake.database }}.step_trainer_trusted) as found,
    (select count(*) from expected_steps) as expected
)

select {{ ready('step_trainer_trusted') }} as ready, abs(found - expected) as violations, found, expected
from counted
