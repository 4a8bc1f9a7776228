-- One row is one change of a golden record in this run: a field's value, or that the record came, went, or became part of another.
with
{% if rules %}
fields as (
    select
        a.{{ id }},
        unnest([
            {% for r in rules %}
            {
                'field': {{ r.name | literal }},
                'previous': {% if r.is_list %}to_json(b.{{ r.name | ident }})::varchar{% else %}b.{{ r.name | ident }}::varchar{% endif %},
                'new': {% if r.is_list %}to_json(a.{{ r.name | ident }})::varchar{% else %}a.{{ r.name | ident }}::varchar{% endif %}
            }{{ "," if not loop.last }}
            {% endfor %}
        ]) as f
    from before as b
    join {{ after }} as a using ({{ id }})
    where {% for r in rules %}a.{{ r.name | ident }} is distinct from b.{{ r.name | ident }}{{ " or " if not loop.last }}{% endfor %}
),

changed as (
    select {{ id }}, f.field as field, f.previous as previous, f.new as new
    from fields
    where f.previous is distinct from f.new
),

changed_records as (
    from {{ after }} as a semi join changed using ({{ id }})
),

lineage as (
    {{ lineage | indent(4) }}
),

{% endif %}
events as (
    {% if rules %}
    select c.{{ id }} as key, c.field, c.previous, c.new, 'changed' as change_type, l.connection
    from changed as c
    left join lineage as l using ({{ id }}, field)
    union all
    {% endif %}
    select a.{{ id }} as key, null as field, null as previous, null as new, 'created' as change_type, null as connection
    from {{ after }} as a
    anti join before using ({{ id }})
    union all
    select b.{{ id }}, null, null, d.to_id, case when d.to_id is null then 'deleted' else 'merged' end, null
    from before as b
    anti join {{ after }} as a using ({{ id }})
    left join {{ redirects }} as d on d.from_id = b.{{ id }}
)

select
    {{ (plan.schema.reso_resource or entity) | literal }} as resource_name,
    key as resource_record_key,
    field as field_name,
    previous as previous_value,
    new as new_value,
    change_type,
    $now::timestamptz as modification_timestamp,
    connection,
    $run_id::varchar as run_id,
from events
