{% from 'rules/columns.sql' import person with context -%}
{% from 'rules/ready.sql' import all_ready with context -%}
-- Nobody without consent in any table, under the run's policy. A row of somebody who did not agree, or from before
-- they agreed where the policy asks for that, is a violation. Consent, and whose a device is, are recomputed from the
-- landing tables.
with {% include 'rules/people.sql' %},

{% include 'rules/devices.sql' %},

found as (
  select
    {%- for name in lake.written %}{% set table = lake.tables[name] %}
    (
      select count(*) from {{ lake.database }}.{{ name }} as t
      {%- if table.person %}
      left join agreed on agreed.person = {{ person(name, 't') }}
      {%- else %}
      left join devices on devices.serialnumber = t."{{ table.device }}"
      left join agreed on agreed.person = devices.owner
      {%- endif %}
      where agreed.person is null
      {%- if table.instant and params.consent_policy == 'reading_time' %} or t."{{ table.instant }}" < agreed.consented_at{% endif %}
    ) as {{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
)

select
  {{ all_ready() }} as ready,
  {{ lake.written | join(' + ') }} as violations,
  found.*
from found
