-- One row is one source record of this CRM that may differ from its golden record: one narrow comparison of hashes.
with
theirs as (
    select golden_id, record_key, {{ hash_theirs }} as compared, {{ bits_theirs }} as empty
    from ({{ theirs }})
    where not is_deleted and is_in_scope
),

ours as (
    select golden_id, {{ hash_ours }} as compared, {{ bits_ours }} as filled
    from ({{ ours }})
)

select theirs.golden_id, theirs.record_key
from theirs
join ours on ours.golden_id = theirs.golden_id
where theirs.compared <> ours.compared or (theirs.empty & ours.filled) <> 0
{% if has_pins %}
union
select golden_id, record_key
from ({{ theirs }})
where not is_deleted and is_in_scope and golden_id in (select golden_id from plan_pins)
{% endif %}
