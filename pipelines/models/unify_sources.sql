-- One row is one source record and the golden record it belongs to.
select
    p.golden_id as {{ id }},
    p.record_key,
    s.connection,
    s.source_id,
    s.is_deleted,
    s.is_in_scope,
    p.matched_by,
    s.custom,
    s.first_modified_at,
    p.position,
    p.row_hash,
from {{ staged }} as s
join placed as p using (record_key)
