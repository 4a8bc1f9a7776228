-- One row is one staged record and its golden id.
with
ids as (
    select cluster, kept_id as golden_id, since, false as is_new from claims where held_id = kept_id
    union all
    select cluster, golden_id, since, true from named
)

select c.* exclude (held_since), i.golden_id, i.since, i.is_new
from clustered as c
join ids as i using (cluster)
