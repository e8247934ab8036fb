{#- Common table expressions on top of landing.sql, computed from the landing tables alone:
    devices (serialnumber, source, owner, instants, covered): every device that reports steps, and whose it is. source
    says how that was decided, or why the device has no owner. -#}
device_instants as (
  select distinct serialnumber, sensorreadingtime as instant
  from step_trainer_records
),

presences as (
  select distinct person, "timestamp" as instant
  from accelerometer_records
),

-- At how many of a device's instants a person has an accelerometer reading, and whether the website gave them the device.
involved as (
  select serialnumber, person, sum(covered) as covered, max(claim) as claim
  from (
    select d.serialnumber, p.person, 1 as covered, 0 as claim
    from device_instants as d
    inner join presences as p on p.instant = d.instant
    union all
    select distinct serialnumber, person, 0 as covered, 1 as claim
    from customer_records
  ) as involvements
  group by serialnumber, person
),

sized as (
  select serialnumber, count(*) as instants
  from device_instants
  group by serialnumber
),

-- Covering is 90 % of the instants; without a claim it shows the owner from 5 instants on.
weighed as (
  select
    s.serialnumber,
    s.instants,
    i.person,
    i.covered,
    coalesce(i.claim, 0) as claim,
    case when i.claim = 1 and i.covered * 10 >= s.instants * 9 then 1 else 0 end as confirmed,
    case when s.instants >= 5 and i.covered * 10 >= s.instants * 9 then 1 else 0 end as shown
  from sized as s
  left join involved as i on i.serialnumber = s.serialnumber
),

decided as (
  select
    serialnumber,
    instants,
    case
      when sum(confirmed) = 1 then 'website_confirmed'
      when sum(confirmed) = 0 and sum(shown) = 1 then 'readings'
      when sum(claim) = 1 and sum(shown) = 0 then 'website'
      when sum(claim) > 1 or sum(shown) > 1 then 'owner_ambiguous'
      else 'owner_unknown'
    end as source
  from weighed
  group by serialnumber, instants
),

devices as (
  select d.serialnumber, d.source, w.person as owner, d.instants, w.covered
  from decided as d
  left join weighed as w
    on w.serialnumber = d.serialnumber
    and (
      (d.source = 'website_confirmed' and w.confirmed = 1)
      or (d.source = 'readings' and w.shown = 1)
      or (d.source = 'website' and w.claim = 1)
    )
)
