-- One row is one record of this CRM whose golden record was deleted in another, and why it may stay all the same.
with
edited as (
    select record_key, max(edited_at) as edited_at from {{ edits }} where not is_echo group by record_key
)

select
    s.{{ singular }}_id as golden_id,
    r.record_key,
    r.source_id,
    r.modified_at,
    r.values_hash,
    d.deleted_in,
    d.deleted_at,
    case
        when r.first_seen_at > d.deleted_at then 'added after it was deleted in ' || d.deleted_in
        when e.edited_at > d.deleted_at then 'edited after it was deleted in ' || d.deleted_in
        when not {{ can_delete | literal }} then 'deleted in ' || d.deleted_in || '; the mapping has no call that deletes'
    end as left_because,
from plan_deleted as d
join {{ sources }} as s on s.{{ singular }}_id = d.golden_id and s.connection = {{ connection | literal }}
join {{ staging }} as r on r.record_key = s.record_key
left join edited as e on e.record_key = r.record_key
where
    not r.is_deleted and r.is_in_scope
    -- what we have deleted once and is there again, somebody wanted back
    and r.record_key not in (select record_key from plan_archived)
