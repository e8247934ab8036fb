{#- Common table expressions on top of people.sql, recomputed from the landing tables under the run's policy:
    expected_readings: the rows that accelerometer_trusted should have;
    expected_customers: those of customers_curated. -#}
{% from 'rules/columns.sql' import fields with context -%}
expected_readings as (
  select distinct a.person, {{ fields('accelerometer_landing', 'a') }}
  from accelerometer_records as a
  inner join agreed on agreed.person = a.person
  {% if params.consent_policy == 'reading_time' %}where a."timestamp" >= agreed.consented_at{% endif %}
),

expected_customers as (
  select distinct c.person, c.serialnumber
  from customer_records as c
  inner join agreed on agreed.person = c.person
  where c.person in (select person from expected_readings)
)
