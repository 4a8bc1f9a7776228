-- One row is one golden record with a field that an operator fixed.
select
    golden_id,
    {% for r in rules if r.name in pinned_fields %}
    bool_or(field = {{ r.name | literal }}) as {{ (r.name ~ "__is_pinned") | ident }},
    any_value(
        {% if r.is_list %}from_json(value, '["{{ r.type[:-2] }}"]'){% else %}try_cast(value ->> '$' as {{ r.type }}){% endif %}
    ) filter (field = {{ r.name | literal }}) as {{ r.name | ident }},
    {% endfor %}
from applied_pins
group by golden_id
