-- One row is one staged record, its cluster, what decides its place there, and the golden id it had before.
select
    s.record_key,
    c.cluster,
    c.matched_by,
    s.connection,
    coalesce(s.first_seen_at, 'epoch'::timestamptz) as first_seen_at,
    s.first_modified_at,
    case when s.is_deleted then 0 when not s.is_in_scope then 1 else 2 end::utinyint as tier,
    {{ row_hash }} as row_hash,
    e.edits_hash is not null as is_edited,
    r.golden_id as registered_id,
    coalesce(d.to_id, r.golden_id) as held_id,
    r.since as held_since,
from staged as s
join clusters as c using (record_key)
left join edited as e using (record_key)
left join {{ registry }} as r using (record_key)
left join {{ redirects }} as d on d.from_id = r.golden_id
{% if is_narrowed %}
semi join anew as a on a.record_key = s.record_key
{% endif %}
