{#- Common table expressions, computed from the landing tables alone: those of landing.sql, and
    agreed (person, consented_at): everybody whose latest customer record agrees to research. -#}
{% include 'rules/landing.sql' %},

agreed as (
  select person, sharewithresearchasofdate as consented_at
  from (
    select
      person,
      sharewithresearchasofdate,
      row_number() over (
        partition by person
        order by
          lastupdatedate desc,
          case when sharewithresearchasofdate > 0 then 1 else 0 end,
          sharewithresearchasofdate desc
      ) as age
    from customer_records
  ) as records
  where age = 1 and sharewithresearchasofdate > 0
)
