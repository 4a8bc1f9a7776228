-- One row is one source record that is staged otherwise than at the last build, or is new, or gone.
select
    coalesce(s.record_key, o.record_key) as record_key,
    s.values_hash,
    o.record_key is null as is_new
from (
    select s.record_key, s.values_hash, {{ row_hash }} as row_hash
    from staged as s
    left join edited as e using (record_key)
) as s
full join {{ plan.table("sources") }} as o using (record_key)
where s.row_hash is distinct from o.row_hash
