{#- Common table expression on top of people.sql, readings.sql and devices.sql:
    expected_steps: the rows that step_trainer_trusted should have, with their owner. -#}
expected_steps as (
  select distinct s.serialnumber, s.sensorreadingtime, devices.owner
  from step_trainer_records as s
  inner join devices on devices.serialnumber = s.serialnumber
  inner join agreed on agreed.person = devices.owner
  where devices.owner in (select person from expected_readings)
  {% if params.consent_policy == 'reading_time' %}and s.sensorreadingtime >= agreed.consented_at{% endif %}
)
