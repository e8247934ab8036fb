{% from 'rules/columns.sql' import person with context -%}
{% from 'rules/records.sql' import records, unreadable_figure with context -%}
-- device_owners, from the lines of all landing files and customers_curated: the devices of curated customers, each with
-- its owner. A row too many, too few or with another value is a violation, and so is a device's second owner. The figures
-- count all devices, curated or not.
with device_instants as (
  select
    serialnumber,
    sensorreadingtime as instant,
    count(*) over (partition by serialnumber) as instants,
    count(*) over (partition by sensorreadingtime) as devices
  from (
    select distinct serialnumber, sensorreadingtime
    from (
      {{ records('step_trainer_landing', ['serialnumber', 'sensorreadingtime']) }}
    ) as steps
  ) as different
),

presences as (
  select distinct person, "timestamp" as instant
  from (
    {{ records('accelerometer_landing', ['timestamp']) }}
  ) as readings
),

-- Who covers 90 % of a device's instants misses at most a tenth of them, so is there at one of any tenth and one more.
-- Those that the fewest devices report are looked at: few people have a reading when one device has one.
looked_at as (
  select serialnumber, instant
  from (
    select
      serialnumber,
      instant,
      instants,
      row_number() over (partition by serialnumber order by devices, instant) as place
    from device_instants
  ) as ranked
  where place <= instants / 10 + 1 and instants >= 5
),

-- The people in question: those found there, and those to whom the website gave the device.
in_question as (
  select serialnumber, person, max(claim) as claim
  from (
    select l.serialnumber, p.person, 0 as claim
    from looked_at as l
    inner join presences as p on p.instant = l.instant
    union all
    select serialnumber, person, 1 as claim
    from (
      {{ records('customer_landing', ['serialnumber']) }}
    ) as customers
  ) as involvements
  group by serialnumber, person
),

weighed as (
  select
    d.serialnumber,
    q.person,
    d.instants,
    coalesce(max(q.claim), 0) as claim,
    count(p.person) as covered
  from device_instants as d
  left join in_question as q on q.serialnumber = d.serialnumber
  left join presences as p on p.person = q.person and p.instant = d.instant
  group by d.serialnumber, q.person, d.instants
),

judged as (
  select
    w.*,
    case when claim = 1 and covered * 10 >= instants * 9 then 1 else 0 end as confirmed,
    case when instants >= 5 and covered * 10 >= instants * 9 then 1 else 0 end as shown
  from weighed as w
),

devices as (
  select
    serialnumber,
    instants,
    case
      when sum(confirmed) = 1 then 'website_confirmed'
      when sum(confirmed) = 0 and sum(shown) = 1 then 'readings'
      when sum(claim) = 1 and sum(shown) = 0 then 'website'
      when sum(claim) > 1 or sum(shown) > 1 then 'owner_ambiguous'
      else 'owner_unknown'
    end as source,
    -- Each is read only where it is about one person.
    max(case when confirmed = 1 then person end) as confirmed,
    max(case when confirmed = 1 then covered end) as confirmed_covered,
    max(case when shown = 1 then person end) as shown,
    max(case when shown = 1 then covered end) as shown_covered,
    max(case when claim = 1 then person end) as claimant,
    max(case when claim = 1 then covered end) as claimant_covered
  from judged
  group by serialnumber, instants
),

owned as (
  select
    serialnumber,
    source,
    instants,
    case source when 'website_confirmed' then confirmed when 'readings' then shown when 'website' then claimant end
      as person,
    case source
      when 'website_confirmed' then confirmed_covered when 'readings' then shown_covered when 'website' then claimant_covered
    end as covered
  from devices
),

curated as (
  select distinct {{ person('customers_curated', 'c') }} as person
  from {{ lake.staged('customers_curated') }} as c
),

-- What is found, what is expected, and all devices.
compared as (
  select source, sum(found) as found, sum(expected) as expected, sum(devices) as devices
  from (
    select serialnumber, {{ person('device_owners', 'o') }} as person, source, instants, covered, 1 as found, 0 as expected, 0 as devices
    from {{ lake.staged('device_owners') }} as o
    union all
    select
      d.serialnumber,
      d.person,
      d.source,
      d.instants,
      d.covered,
      0 as found,
      case when c.person is not null then 1 else 0 end as expected,
      1 as devices
    from owned as d
    left join curated as c on c.person = d.person
  ) as both_sides
  group by serialnumber, person, source, instants, covered
)

select
  true as ready,
  coalesce(sum(abs(found - expected)), 0) as violations,
  coalesce(sum(found), 0) as found,
  coalesce(sum(expected), 0) as expected,
  coalesce(sum(devices), 0) as devices
  {%- for source in ['website_confirmed', 'readings', 'website', 'owner_unknown', 'owner_ambiguous'] %},
  coalesce(sum(case when source = '{{ source }}' then devices end), 0) as {{ source }}
  {%- endfor %}
  {{- unreadable_figure() }}
from compared
