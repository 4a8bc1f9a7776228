-- One row is one staged record with its references as golden ids; one that points nowhere, or at what is deleted, is NULL.
with
{% for rule in plan.references if rule.is_list %}
{{ rule.name }}_parts as (
    select record_key, unnest({{ rule.name }}) as target_key, generate_subscripts({{ rule.name }}, 1) as part
    from {{ records }}
),

{{ rule.name }}_found as (
    select record_key, list(golden_id order by part) as golden_ids
    from (
        select p.record_key, m.golden_id, min(p.part) as part
        from {{ rule.name }}_parts as p
        join map_{{ rule.to }} as m on m.record_key = p.target_key
        group by all
    )
    group by record_key
),

{% endfor %}
given as (
    from {{ records }}
)

select
    g.* replace (
        {% for rule in plan.references %}
        {{ rule.name }}_found.{{ "golden_ids" if rule.is_list else "golden_id" }} as {{ rule.name }},
        {% endfor %}
    )
from given as g
{% for rule in plan.references %}
{% if rule.is_list %}
left join {{ rule.name }}_found on {{ rule.name }}_found.record_key = g.record_key
{% else %}
left join map_{{ rule.to }} as {{ rule.name }}_found on {{ rule.name }}_found.record_key = g.{{ rule.name }}
{% endif %}
{% endfor %}
