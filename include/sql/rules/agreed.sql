{#- (person, consented_at) of everybody who agreed to research: a person's latest record decides, of two at the same
    instant the one without consent, or with the later. records: the name of customer records, c; person: theirs. -#}
{%- macro agreed(records, person='c.person') -%}
select person, sharewithresearchasofdate as consented_at
from (
  select
    {{ person }} as person,
    c.sharewithresearchasofdate,
    row_number() over (
      partition by {{ person }}
      order by c.lastupdatedate desc, c.sharewithresearchasofdate desc nulls first
    ) as age
  from {{ records }} as c
) as latest
where age = 1 and sharewithresearchasofdate > 0
{%- endmacro -%}
