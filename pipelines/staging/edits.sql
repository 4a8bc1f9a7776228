{# One row is the last edit of one field of one record: when its value last became what it is now.
   `versions` is the typed history; `changed` are its columns; `echoes` is what we wrote ourselves. #}
with versions as (
    {{ versions }}
),

hashed as (
    select
        id, seen, modified_at, first_modified_at,
        row_number() over by_age as n,
        lag(seen) over by_age as seen_before
        {%- for c in changed %},
        case when {{ c.name | ident }} is not null then hash({{ as_text(c) }}) end as {{ c.name | ident }}
        {%- endfor %}

    from versions
    window by_age as (partition by id order by seen, coalesce(modified, ''), hash)
),

-- The last value before that was one: what is empty, absent or unreadable is no edit.
compared as (
    select
        *
        {%- for c in changed %},
        lag({{ c.name | ident }} ignore nulls) over (partition by id order by n) as {{ c.part("was") }}
        {%- endfor %}

    from hashed
),

latest as (
    select
        id,
        any_value(first_modified_at) as first_modified_at
        {%- for c in changed %},
        arg_max({now: {{ c.name | ident }}}, n).now as {{ c.part("now") }},
        arg_max(
            {value: {{ c.name | ident }}, edited: coalesce(modified_at, seen), seen: seen, seen_before: seen_before, n: n}, n
        ) filter (where {{ c.name | ident }} <> {{ c.part("was") }} or ({{ c.part("was") }} is null and {{ c.name | ident }} is not null)) as {{ c.part("edit") }}
        {%- endfor %}

    from compared
    group by id
),

edits as (
    select id, first_modified_at, unnest([
        {% for c in changed %}
        case when {{ c.part("now") }} is not null then {field: {{ c.name | literal }}, edit: {{ c.part("edit") }}} end{{ "," if not loop.last }}
        {% endfor %}
    ]) as one
    from latest
),

made as (
    select source_id as id, max(written_at) as made_at
    from {{ echoes }}
    where connection = {{ layout.connection | literal }} and entity = {{ layout.entity | literal }} and field = ''
    group by source_id
),

-- An edit that we made ourselves: our value came between the version before and this one, give or take the clocks.
judged as (
    select
        edits.id, one.field as field, one.edit.n as n, one.edit.edited as edited, first_modified_at,
        echo.written_at is not null as is_echo, echo.since as since,
        -- what a CRM puts into a record that we have just made: a first stage, an owner
        coalesce(
            one.edit.n = 1 and one.edit.seen >= made_at - {{ slack }}
            and coalesce(first_modified_at <= made_at + {{ slack }}, true),
            false
        ) as is_its_own
    from edits
    left join {{ echoes }} as echo
        on echo.connection = {{ layout.connection | literal }} and echo.entity = {{ layout.entity | literal }}
        and echo.source_id = edits.id and echo.field = one.field and hash(echo.value) = one.edit.value
        and echo.written_at <= one.edit.seen + {{ slack }}
        and (one.edit.seen_before is null or echo.written_at >= one.edit.seen_before - {{ slack }})
    left join made on made.id = edits.id
    where one is not null
    qualify row_number() over (partition by edits.id, one.field order by echo.written_at desc nulls last, echo.since) = 1
)

select
    {{ (layout.connection ~ ":") | literal }} || id as record_key,
    field,
    case
        when is_echo then since
        when is_its_own then null
        when n = 1 then first_modified_at
        else edited
    end as edited_at,
    is_echo or is_its_own as is_echo
from judged
where is_echo or is_its_own or (n > 1 and edited is distinct from first_modified_at)
