{% from 'rules/ready.sql' import ready with context -%}
-- No row of machine_learning_curated pairs two people: each is one that the readings of the device's owner account for.
-- With match_on = time the run asked for the contaminated join; then such rows are counted, but are no violation.
with {% include 'rules/landing.sql' %},

{% include 'rules/devices.sql' %},

measurements as (
  select serialnumber, "timestamp", x, y, z, count(*) as times
  from {{ lake.database }}.machine_learning_curated
  group by serialnumber, "timestamp", x, y, z
),

readings as (
  select distinct person, "timestamp", x, y, z
  from accelerometer_records
),

pairings as (
  select
    sum(m.times) as pairs,
    coalesce(sum(m.times - case when a.person is null then 0 else 1 end), 0) as of_two_people
  from measurements as m
  left join devices on devices.serialnumber = m.serialnumber
  left join readings as a
    on a.person = devices.owner and a."timestamp" = m."timestamp" and a.x = m.x and a.y = m.y and a.z = m.z
)

select
  {{ ready('machine_learning_curated') }} as ready,
  {{ '0' if params.match_on == 'time' else 'of_two_people' }} as violations,
  of_two_people,
  pairs
from pairings
