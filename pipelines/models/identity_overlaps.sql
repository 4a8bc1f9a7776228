-- One row is one cluster and one person who has records in it.
with
counted as (
    select c.cluster, t.truth::varchar as truth, count(*) as records
    from {{ clusters }} as c
    join {{ truth }} as t on t.record_key = c.record_key
    where t.truth is not null
    group by all
)

select
    cluster,
    truth,
    records,
    sum(records) over (partition by cluster) as in_cluster,
    sum(records) over (partition by truth) as in_truth
from counted
