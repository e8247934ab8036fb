{#- Common table expressions, computed from the landing tables alone:
    agreed (person, consented_at): everybody whose latest customer record agrees to research;
    devices (serialnumber, owner): every device that the website gave to exactly one person. -#}
agreed as (
  select person, sharewithresearchasofdate as consented_at
  from (
    select
      lower(trim(email)) as person,
      sharewithresearchasofdate,
      row_number() over (
        partition by lower(trim(email))
        order by
          lastupdatedate desc nulls last,
          case when sharewithresearchasofdate > 0 then 1 else 0 end,
          sharewithresearchasofdate desc
      ) as age
    from {{ lake.database }}.customer_landing
  ) as records
  where age = 1 and sharewithresearchasofdate > 0
),

devices as (
  select serialnumber, min(lower(trim(email))) as owner
  from {{ lake.database }}.customer_landing
  group by serialnumber
  having count(distinct lower(trim(email))) = 1
)
