-- One row is one cluster that holds no golden id yet, and the record that founds one: the first seen, then the smallest key.
select cluster, min(first_seen_at) as since, arg_min(record_key, (first_seen_at, record_key)) as founder, 0 as attempt
from clustered
anti join claims using (cluster)
group by cluster
