-- One row is one cluster after the merges of this round, and its records.
select coalesce(m.stays, s.cluster) as cluster, sum(s.records)::bigint as records
from identity_sizes as s
left join identity_merges as m on m.goes = s.cluster
group by 1
