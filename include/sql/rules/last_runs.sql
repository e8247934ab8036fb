{#- Common table expression: last_runs (run_id, checked_at), the last 20 runs that were reported. -#}
last_runs as (
  select run_id, max(checked_at) as checked_at
  from {{ lake.database }}.check_audit
  group by run_id
  order by checked_at desc
  limit 20
)
