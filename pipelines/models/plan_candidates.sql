-- One row is one source record of this CRM that may differ from its golden record.
with
{% if differences %}
noted as (
    select {{ singular }}_id as golden_id, record_key
    from {{ differences }}
    where
        connection = {{ connection | literal }}
        and ({% for f in fields %}{{ f.is_noted }}{{ " or " if not loop.last }}{% endfor %})
    {% if has_pins %}
    union
    select {{ singular }}_id, record_key
    from {{ sources }}
    where connection = {{ connection | literal }} and {{ singular }}_id in (select golden_id from plan_pins)
    {% endif %}
)

select noted.golden_id, noted.record_key, theirs.rowid as their_row
from {{ staging }} as theirs
join noted on noted.record_key = theirs.record_key
where not theirs.is_deleted and theirs.is_in_scope
{% else %}
theirs as materialized (
    select golden_id, record_key, their_row, {{ hash_theirs }} as compared, {{ bits_theirs }} as empty
    from ({{ theirs }})
    where not is_deleted and is_in_scope
),

-- Keys are joined as numbers; those of what differs are then compared as they are (plan_differences).
ours as (
    select hash(golden_id) as golden_key, {{ hash_ours }} as compared, {{ bits_ours }} as filled from ({{ ours }})
)

select theirs.golden_id, theirs.record_key, theirs.their_row
from theirs
join ours on ours.golden_key = hash(theirs.golden_id)
where
    theirs.compared <> ours.compared
    or (theirs.empty & ours.filled) <> 0
    {% if has_pins %}
    or theirs.golden_id in (select golden_id from plan_pins)
    {% endif %}
{% endif %}
