-- One row is two source records that one key holds together.
with
first as (
    select key, min(record_key) as record_key from shared_keys group by key
)

select
    f.record_key as record_key_a,
    k.record_key as record_key_b,
    null::double as bits,
    null::float as probability,
    'match' as decision,
    string_agg(k.rule || ': ' || k.value, ', ' order by k.rule, k.value) as evidence,
from shared_keys as k
join first as f using (key)
join clusters as a on a.record_key = f.record_key
join clusters as b on b.record_key = k.record_key
where f.record_key < k.record_key and a.cluster = b.cluster
group by f.record_key, k.record_key
