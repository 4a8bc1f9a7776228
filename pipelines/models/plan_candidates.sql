-- One row is one source record of this CRM that may differ from its golden record: one narrow comparison of hashes.
with
{% if has_references %}
theirs as materialized (
    select golden_id, record_key, their_row, {{ hash_theirs }} as compared, {{ bits_theirs }} as empty
    from ({{ theirs }})
    where not is_deleted and is_in_scope
)
{% else %}
hashed as (
    select record_key, rowid as their_row, {{ hash_theirs }} as compared, {{ bits_theirs }} as empty
    from {{ staging }}
    where not is_deleted and is_in_scope
),

theirs as materialized (
    select s.{{ singular }}_id as golden_id, h.record_key, h.their_row, h.compared, h.empty
    from hashed as h
    join {{ sources }} as s on s.record_key = h.record_key and s.connection = {{ connection | literal }}
)
{% endif %}

select theirs.golden_id, theirs.record_key, theirs.their_row, ours.our_row
from theirs
join {{ hashes }} as ours on ours.golden_id = theirs.golden_id
where
    theirs.compared <> ours.compared
    or (theirs.empty & ours.filled) <> 0
    {% if has_pins %}
    or theirs.golden_id in (select golden_id from plan_pins)
    {% endif %}
