{% from 'rules/ready.sql' import ready with context -%}
-- accelerometer_landing joined with the people who agreed: as many rows as there are different readings of theirs.
with {% include 'rules/people.sql' %},

{% include 'rules/readings.sql' %},

counted as (
  select
    (select count(*) from {{ lake.database }}.accelerometer_trusted) as found,
    (select count(*) from expected_readings) as expected
)

select {{ ready('accelerometer_trusted') }} as ready, abs(found - expected) as violations, found, expected
from counted
