-- One row is one source record and the cluster it belongs to, named by the smallest record key in it.
with
placed as (
    select k.record_key, k.rid, coalesce(m.cluster, k.rid) as place
    from {{ known }} as k
    left join identity_members as m on m.rid = k.rid
),

named as (
    select place, min(record_key) as cluster
    from placed
    group by place
)

select p.record_key, n.cluster, p.rid
from placed as p
join named as n on n.place = p.place
