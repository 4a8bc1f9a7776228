-- One row is one source record that is placed anew, staged or gone: it changed, or who it belongs to may have, and all who share a golden record with it.
with
changed as (
    select record_key from differing
    union
    select record_key from looked_at
),

components as (
    select distinct component from clusters where rid in (select hash(record_key) from changed)
),

-- Who comes back is still registered where it was: the others there may hold that golden id.
back as (
    select r.golden_id
    from {{ registry }} as r
    semi join (from differing where is_new) as d on d.record_key = r.record_key
),

ids as (
    select coalesce(d.to_id, b.golden_id) as golden_id
    from back as b
    left join {{ redirects }} as d on d.from_id = b.golden_id
)

select record_key from changed
union
select k.record_key from clusters as k semi join components as o on o.component = k.component
union
select r.record_key
from {{ registry }} as r
semi join (
    select golden_id from ids
    union
    select d.from_id from {{ redirects }} as d semi join ids as i on i.golden_id = d.to_id
) as i on i.golden_id = r.golden_id
