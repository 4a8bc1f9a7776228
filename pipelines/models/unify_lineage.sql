-- One row is one filled field of one golden record: its value, which source said it, since when, and by which rule it won.
with
told as (
    select
        g.{{ id }},
        g.source_count,
        p.{{ id }} is not null as is_weighed,
        unnest([
            {% for r in rules %}
            {
                'field': {{ r.name | literal }},
                'value': {% if r.is_list %}to_json(g.{{ r.name | ident }})::varchar{% else %}g.{{ r.name | ident }}::varchar{% endif %},
                'position': p.{{ (r.name ~ "__source") | ident }},
                'since': p.{{ (r.name ~ "__since") | ident }},
                'rule': {{ r.says | literal }}
            }{{ "," if not loop.last }}
            {% endfor %}
        ]) as f
    from {{ golden }} as g
    left join {{ plan.table("provenance") }} as p using ({{ id }})
)

select
    t.{{ id }},
    t.f.field as field,
    t.f.value as value,
    case when x.field is null then s.connection end as connection,
    case when x.field is null then s.source_id end as source_id,
    case when x.field is not null then x.pinned_at when t.is_weighed then t.f.since else s.first_modified_at end as since,
    case when x.field is not null then 'pinned by ' || x.who when t.source_count = 1 then 'only source'
        {%- for r in rules if r.there %} when t.f.field = {{ r.name | literal }} and s.connection in ({% for c in r.there %}{{ c | literal }}{{ ", " if not loop.last }}{% endfor %}) then 'owned by its CRM'{% endfor %} else t.f.rule end as rule,
from told as t
left join {{ plan.table("sources") }} as s
    on s.{{ id }} = t.{{ id }} and s.position = case when t.is_weighed then t.f.position else 1 end
left join {{ plan.table("pins") }} as x on x.{{ id }} = t.{{ id }} and x.field = t.f.field
where t.f.value is not null
