-- How many curated customers' devices have which share of their instants covered by an accelerometer reading of their
-- owner (percent), and how many trusted customers have how many accelerometer readings. No row is one person.
select 'covered' as figure, covered * 100 / instants as number, count(*) as customers
from {{ lake.database }}.device_owners
group by covered * 100 / instants
union all
select 'readings' as figure, readings as number, count(*) as customers
from (
  select lower(trim("user")) as person, count(*) as readings
  from {{ lake.database }}.accelerometer_trusted
  group by lower(trim("user"))
) as people
group by readings
order by figure, number
