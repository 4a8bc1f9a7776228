-- One row is one value that one source record of the golden record says, and why it is not the one that holds.
with
records as (
    select s.*, g.is_deleted as is_gone, not g.is_in_scope as is_frozen, g.connection as source, g.source_id as id
    from staging.{{ entity }} as s
    join {{ plan.table("sources") }} as g using (record_key)
    where g.{{ id }} = $golden_id
),

said as (
    select
        record_key,
        source as connection,
        id as source_id,
        is_gone,
        is_frozen,
        first_modified_at,
        unnest([
            {% for r in rules %}
            {
                'field': {{ r.name | literal }},
                'value': {% if r.is_list %}to_json({{ r.name | ident }})::varchar{% else %}{{ r.name | ident }}::varchar{% endif %},
                'is_derived': list_contains({{ r.derived | literals }}::varchar[], source)
            }{{ "," if not loop.last }}
            {% endfor %}
        ]) as f,
    from records
),

dated as (
    select
        s.connection,
        s.source_id,
        s.is_gone,
        s.is_frozen,
        s.f.field as field,
        s.f.value as value,
        s.f.is_derived as is_derived,
        coalesce(e.is_echo, false) as is_echo,
        case when e.record_key is null then s.first_modified_at else e.edited_at end as since,
    from said as s
    left join staging.{{ entity }}_edits as e on e.record_key = s.record_key and e.field = s.f.field
    where s.f.value is not null
)

select
    d.field,
    d.value,
    d.connection,
    d.source_id,
    d.since,
    case
        when l.connection = d.connection and l.source_id = d.source_id then null
        when d.is_gone then 'its record is deleted'
        when d.is_frozen then 'its record is out of scope'
        when l.value = d.value then 'says the same'
        when starts_with(l.rule, 'pinned') then 'a pin outranks it'
        when l.rule = 'owned by its CRM' then 'another CRM owns the field'
        {% for r in rules if r.here %}
        when d.field = {{ r.name | literal }} and list_contains({{ r.here | literals }}, d.connection) then 'the field is ours, not the CRM''s'
        {% endfor %}
        when l.rule = 'all sources' then 'is gathered there'
        when l.rule <> 'latest edit' then 'not the ' || l.rule
        when d.is_derived then 'made from other values'
        when d.since is null then 'when it was edited is unknown'
        when d.since < l.since then 'older'
        when d.is_echo then 'written by us'
        else 'its source comes later in the declared order'
    end as rejected_because,
from dated as d
left join {{ plan.table("lineage") }} as l on l.{{ id }} = $golden_id and l.field = d.field
order by d.field, rejected_because is not null, d.since desc nulls last, d.connection, d.source_id
