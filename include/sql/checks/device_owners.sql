{% from 'rules/ready.sql' import ready with context -%}
-- device_owners is what the landing tables say: the devices of curated customers, each with one owner. A row that one of
-- the two sides lacks, or has in another form, is a violation, and so is a device's second owner. The figures count all
-- devices, curated or not.
with {% include 'rules/people.sql' %},

{% include 'rules/readings.sql' %},

{% include 'rules/devices.sql' %},

compared as (
  select serialnumber, owner, source, instants, covered, sum(found) as found, sum(expected) as expected
  from (
    select serialnumber, email as owner, source, instants, covered, 1 as found, 0 as expected
    from {{ lake.database }}.device_owners
    union all
    select serialnumber, owner, source, instants, covered, 0 as found, 1 as expected
    from devices
    where owner in (select r.person from expected_readings as r)
  ) as owners
  group by serialnumber, owner, source, instants, covered
),

differences as (
  select
    coalesce(sum(found), 0) as found,
    coalesce(sum(expected), 0) as expected,
    coalesce(sum(abs(found - expected)), 0) as violations
  from compared
),

figures as (
  select
    count(*) as devices,
    count_if(source = 'website_confirmed') as website_confirmed,
    count_if(source = 'readings') as readings,
    count_if(source = 'website') as website,
    count_if(source = 'owner_unknown') as owner_unknown,
    count_if(source = 'owner_ambiguous') as owner_ambiguous
  from devices
)

select {{ ready('device_owners') }} as ready, d.violations, d.found, d.expected, f.*
from differences as d
cross join figures as f
