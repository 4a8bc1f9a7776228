-- One row is one source record of this CRM that may differ from its golden record: one comparison of hashes.
{% if has_references %}
with
theirs as materialized (
    select golden_id, record_key, their_row, {{ hash_theirs }} as compared, {{ bits_theirs }} as empty
    from ({{ theirs }})
    where not is_deleted and is_in_scope
)

select theirs.golden_id, theirs.record_key, theirs.their_row, ours.our_row
from theirs
join {{ hashes }} as ours on ours.golden_key = hash(theirs.golden_id)
where
    theirs.compared <> ours.compared
    or (theirs.empty & ours.filled) <> 0
    {% if has_pins %}
    or theirs.golden_id in (select golden_id from plan_pins)
    {% endif %}
{% else %}
-- The wide side is never kept: it streams past the narrow one, and what differs comes along whole. What is deleted or out
-- of scope is left out after the join: a filter before it would make DuckDB take the wide side for the small one.
with
theirs as (
    select
        record_key, source_id, modified_at, values_hash, is_deleted, is_in_scope, absent_fields, unreadable_fields,
        {% for f in fields %}
        {{ f.name | ident }},
        {% endfor %}
        rowid as their_row,
        {{ hash_theirs }} as compared,
        {{ bits_theirs }} as empty,
    from {{ staging }}
),

-- Keys are joined as numbers; those of what differs are then compared as they are (plan_theirs, plan_differences).
ours as (
    select
        hash(s.record_key) as key, s.rowid as source_row, h.our_row, h.compared, h.filled,
        {% if has_pins %}
        s.{{ singular }}_id in (select golden_id from plan_pins) as is_pinned,
        {% endif %}
    from {{ sources }} as s
    join {{ hashes }} as h on h.golden_key = hash(s.{{ singular }}_id)
    where s.connection = {{ connection | literal }}
)

select ours.source_row, ours.our_row, theirs.* exclude (compared, empty)
from theirs
join ours on ours.key = hash(theirs.record_key)
where
    case when not theirs.is_deleted and theirs.is_in_scope then
        theirs.compared <> ours.compared
        or (theirs.empty & ours.filled) <> 0
        {% if has_pins %}
        or ours.is_pinned
        {% endif %}
    else false end
{% endif %}
