-- One row is one living source record that differs from its golden record; of each field: 1 where it says something else, 2 where it says nothing.
{% set told = likenesses | selectattr("name", "in", filled) | list %}
select
    ours.{{ id }},
    theirs.record_key,
    theirs.connection,
    {% for one in likenesses %}
    {{ one.difference if one in told else 0 }}::utinyint as {{ one.name | ident }},
    {% endfor %}
from {{ staged }} as theirs
join placed as p using (record_key)
join {{ golden }} as ours on ours.{{ id }} = p.golden_id
where
    p.tier = 2
    -- who alone tells of somebody says what the golden record says, unless a person says otherwise
    and (not p.is_plain{% if pinned_fields %} or p.golden_id in (select golden_id from applied_pins){% endif %})
    and ({% for one in told %}{{ one.is_other }} or {% endfor %}false)
