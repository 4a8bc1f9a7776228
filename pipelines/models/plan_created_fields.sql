-- One row is one field of one record that is to be created.
with
filled as (
    select
        ours.golden_id,
        creates.waits,
        unnest([
            {% for f in fields %}
            {
                'field': {{ f.name | literal }},
                'is_link': {{ f.is_link | literal }},
                'words': {{ f.words_sql }},
                'new': {% if f.owner == "there" %}null::varchar{% else %}case when {{ f.is_filled }} then to_json(ours.{{ f.name | ident }})::varchar end{% endif %}
            }{{ "," if not loop.last }}
            {% endfor %}
        ], recursive := true),
    from ({{ ours }}) as ours
    join plan_creates as creates on creates.golden_id = ours.golden_id
)

select
    f.golden_id,
    f.waits,
    f.field,
    f.is_link,
    coalesce(p.value, f.new) as new,
    l.since,
    case when p.golden_id is not null then 'pin' else l.connection end as source,
from filled as f
left join plan_pins as p on p.golden_id = f.golden_id and p.field = f.field
left join {{ lineage }} as l on l.{{ singular }}_id = f.golden_id and l.field = f.field
where
    coalesce(p.value, f.new) is not null and coalesce(p.value, f.new) <> 'null'
    and coalesce(list_contains(f.words, coalesce(p.value, f.new)), true)
