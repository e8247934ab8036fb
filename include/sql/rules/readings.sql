{#- Common table expressions on top of people.sql, recomputed from the landing tables under the run's policy:
    expected_readings: the rows that accelerometer_trusted should have;
    expected_customers: those of customers_curated;
    expected_steps: those of step_trainer_trusted, with their owner. -#}
expected_readings as (
  select distinct lower(trim(a."user")) as person, a."timestamp", a.x, a.y, a.z
  from {{ lake.database }}.accelerometer_landing as a
  inner join agreed on agreed.person = lower(trim(a."user"))
  {% if params.consent_policy == 'reading_time' %}where a."timestamp" >= agreed.consented_at{% endif %}
),

expected_customers as (
  select distinct lower(trim(c.email)) as person, c.serialnumber
  from {{ lake.database }}.customer_landing as c
  inner join agreed on agreed.person = lower(trim(c.email))
  where lower(trim(c.email)) in (select person from expected_readings)
),

expected_steps as (
  select distinct s.serialnumber, s.sensorreadingtime, devices.owner
  from {{ lake.database }}.step_trainer_landing as s
  inner join devices on devices.serialnumber = s.serialnumber
  inner join agreed on agreed.person = devices.owner
  where devices.owner in (select person from expected_readings)
  {% if params.consent_policy == 'reading_time' %}and s.sensorreadingtime >= agreed.consented_at{% endif %}
)
