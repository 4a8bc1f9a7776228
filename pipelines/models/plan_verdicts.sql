-- One row is one field that differs, with where the new value comes from and, if it is left as it is, the reason.
with
edits as (
    select record_key, field, max(edited_at) as edited_at
    from {{ edits }}
    where not is_echo and (record_key, field) in (select (record_key, field) from plan_differences)
    group by all
),

-- Values that another record of the CRM has, or is given now, where it has no two with one value.
taken as (
    select d.record_key, d.field
    from plan_differences as d
    join plan_differences as other
        on other.field = d.field and other.new = d.new and other.record_key < d.record_key
    where d.field in ({{ unique_fields }})
    {% for f in fields if f.is_unique %}
    union
    select d.record_key, d.field
    from plan_differences as d
    join {{ staging }} as other
        on to_json(other.{{ f.name | ident }})::varchar = d.new and other.record_key <> d.record_key
    where d.field = {{ f.name | literal }} and not other.is_deleted
    {% endfor %}
),

told as (
    select
        d.*,
        t.record_key is not null as is_taken,
        e.read_back,
        e.record_key is not null as was_sent,
        -- of a list to which we add: what it lacks was sent, and is not kept as it was sent
        coalesce(e.read_back is not distinct from d.old and (e.sent is not distinct from d.new or case when d.is_union then
            list_has_all(
                from_json(e.sent, '["VARCHAR"]'),
                list_filter(
                    from_json(d.new, '["VARCHAR"]'),
                    lambda x: not list_contains(coalesce(from_json(d.old, '["VARCHAR"]'), []), x)
                )
            )
        end), false) and e.record_key is not null as is_echo,
        coalesce(e.read_back is not distinct from d.old, false) and e.record_key is not null as is_untouched,
        h.why as held,
        l.since,
        case when d.is_pinned then 'pin' else l.connection end as source,
        edits.edited_at as theirs_since,
    from plan_differences as d
    left join plan_echoes as e on e.record_key = d.record_key and e.field = d.field
    left join plan_holds as h
        on h.record_key = d.record_key and h.field = d.field and h.golden_value is not distinct from d.new
    left join {{ lineage }} as l on l.{{ singular }}_id = d.golden_id and l.field = d.field
    left join taken as t on t.record_key = d.record_key and t.field = d.field
    left join edits on edits.record_key = d.record_key and edits.field = d.field
)

select
    golden_id,
    record_key,
    source_id,
    modified_at,
    values_hash,
    field,
    is_link,
    old,
    new,
    since,
    source,
    theirs_since,
    keeper,
    case
        when is_absent then 'its record has no such field'
        when is_unreadable then 'its value cannot be read'
        when not list_contains(words, new) then 'the CRM has no word for the value'
        when is_taken then 'another record of the CRM has the value'
        when is_echo and read_back is null then 'it does not keep the value that was sent'
        when is_echo then 'it writes the value that was sent in its own way'
        when held is not null then held
        when rule = 'if_empty' and not is_empty then 'written only where it is empty'
        when keeper = 'there' then 'the CRM owns the field'
    end as left_because,
    left_because is null or left_because = 'the CRM owns the field' as is_contested,
    coalesce(is_contested and not is_empty and not is_untouched and {{ both_edited }}, false) as is_conflict,
from told
