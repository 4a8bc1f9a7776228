-- One row is one golden record: the best of what its sources say.
with
plain as (
    select
        p.golden_id,
        {% for r in rules %}
        s.{{ r.name | ident }},
        {% endfor %}
        1::bigint as source_count,
        [s.connection] as connections,
        s.modified_at as updated_at,
    from {{ records }} as s
    join placed as p using (record_key)
    where p.is_plain
),

merged_ones as (
    select
        golden_id,
        {% for r in rules %}
        {{ r.name | ident }},
        {% endfor %}
        source_count,
        connections,
        updated_at,
    from merged
)

select
    g.golden_id as {{ id }},
    {% for r in rules if r.name != "created_at" %}
    {% if r.name in pinned_fields %}
    case when x.{{ (r.name ~ "__is_pinned") | ident }} then x.{{ r.name | ident }} else g.{{ r.name | ident }} end as {{ r.name | ident }},
    {% else %}
    g.{{ r.name | ident }},
    {% endif %}
    {% endfor %}
    g.source_count,
    g.connections,
    {% if has_created_at %}g.created_at{% else %}null::timestamptz{% endif %} as created_at,
    g.updated_at,
from (from plain union all by name from merged_ones) as g
{% if pinned_fields %}
left join pinned as x on x.golden_id = g.golden_id
{% endif %}
