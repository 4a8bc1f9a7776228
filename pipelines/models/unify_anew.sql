-- One row is one source record that is placed anew, staged or gone: it changed, or who it belongs to may have, and all who share a golden record with it.
with
changed as (
    select record_key from differing
    union
    select record_key from looked_at
),

held as not materialized (
    select r.record_key, coalesce(d.to_id, r.golden_id) as golden_id
    from {{ registry }} as r
    left join {{ redirects }} as d on d.from_id = r.golden_id
),

ids as (
    select distinct h.golden_id from held as h semi join changed as c on c.record_key = h.record_key
),

groups as (
    select distinct k.cluster from clusters as k semi join changed as c on c.record_key = k.record_key
)

select record_key from changed
union
select h.record_key from held as h semi join ids as i on i.golden_id = h.golden_id
union
select k.record_key from clusters as k semi join groups as g on g.cluster = k.cluster
