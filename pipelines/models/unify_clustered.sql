-- One row is one staged record, its cluster, what decides its place there, and the golden id it had before.
select
    s.record_key,
    c.cluster,
    c.matched_by,
    s.connection,
    coalesce(s.first_seen_at, 'epoch'::timestamptz) as first_seen_at,
    s.first_modified_at,
    case when s.is_deleted then 0 when not s.is_in_scope then 1 else 2 end::utinyint as tier,
    s.values_hash,
    {{ row_hash }} as row_hash,
    e.edits_hash is not null as is_edited,
    r.golden_id as registered_id,
    coalesce(d.to_id, r.golden_id) as held_id,
    r.since as held_since,
    r.row_number as registry_row,
{# Narrowed before they are joined: DuckDB would join all of them first. #}
{% set few = " semi join anew using (record_key)" if is_narrowed else "" %}
from (from staged{{ few }}) as s
join (from clusters{% if is_narrowed %} where rid in (select hash(record_key) from anew){% endif %}) as c using (record_key)
left join edited as e using (record_key)
left join (select *, rowid as row_number from {{ registry }}{{ few }}) as r using (record_key)
left join {{ redirects }} as d on d.from_id = r.golden_id
