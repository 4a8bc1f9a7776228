-- One row is one field of one source record that differs from its golden record, with both values as JSON.
with
compared as (
    select
        theirs.golden_id,
        theirs.record_key,
        theirs.source_id,
        theirs.modified_at,
        theirs.values_hash,
        unnest([
            {% for f in fields %}
            {
                'field': {{ f.name | literal }},
                'rule': {{ f.rule | literal }},
                'keeper': {{ f.owner | literal }},
                'is_link': {{ f.is_link | literal }},
                'is_union': {{ f.is_union | literal }},
                'words': {{ f.words_sql }},
                'old': to_json(theirs.{{ f.name | ident }})::varchar,
                'new': to_json(ours.{{ f.name | ident }})::varchar,
                'is_different': coalesce({{ f.is_different }}, false),
                'is_empty': {{ f.is_empty }},
                'is_absent': coalesce(list_contains(theirs.absent_fields, {{ f.name | literal }}), false),
                'is_unreadable': coalesce(list_contains(theirs.unreadable_fields, {{ f.name | literal }}), false)
            }{{ "," if not loop.last }}
            {% endfor %}
        ], recursive := true),
    from ({{ theirs }}) as theirs
    join ({{ ours }}) as ours on ours.golden_id = theirs.golden_id
),

pinned as (
    select
        compared.* replace (
            coalesce(pins.value, compared.new) as new,
            case
                when pins.golden_id is null then compared.is_different
                else pins.value <> 'null' and pins.value is distinct from compared.old
            end as is_different
        ),
        pins.golden_id is not null as is_pinned,
    from compared
    left join plan_pins as pins on pins.golden_id = compared.golden_id and pins.field = compared.field
)

select * exclude (is_different) from pinned where is_different
