-- The first rows of customer_trusted, without what would tell who they are: masked here, so that it never leaves Athena.
select
  concat(substr(customername, 1, 1), '***') as customername,
  concat(substr(email, 1, 1), '***') as email,
  case when phone is not null then '***' end as phone,
  concat(substr(birthday, 1, 3), '*') as birthday,
  concat(substr(serialnumber, 1, 4), '***') as serialnumber,
  cast(from_unixtime(registrationdate / 1000) as date) as registrationdate,
  cast(from_unixtime(lastupdatedate / 1000) as date) as lastupdatedate,
  cast(from_unixtime(sharewithresearchasofdate / 1000) as date) as sharewithresearchasofdate,
  cast(from_unixtime(sharewithpublicasofdate / 1000) as date) as sharewithpublicasofdate,
  cast(from_unixtime(sharewithfriendsasofdate / 1000) as date) as sharewithfriendsasofdate
from {{ lake.database }}.customer_trusted as c
order by c.registrationdate, c.serialnumber
limit 20
