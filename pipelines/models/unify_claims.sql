-- One row is one golden id, the cluster that holds most of its records, and the id that this cluster keeps.
with
held as (
    select cluster, held_id, min(held_since) as since, count(*) as records, min(record_key) as first_key
    from clustered
    where held_id is not null
    group by cluster, held_id
),

-- After a split the larger part keeps the id.
claims as (
    select cluster, held_id, since
    from held
    qualify row_number() over (partition by held_id order by records desc, first_key) = 1
)

-- Of several that became one the oldest stays.
select
    cluster,
    held_id,
    first_value(held_id) over oldest as kept_id,
    first_value(since) over oldest as since,
from claims
window oldest as (partition by cluster order by since, held_id)
