{# One row is one record (`purpose` staging or rejects) or one version of a record (`purpose` versions).
   `source` is a relation with line (unique), id, hash, modified, deleted, seen, record, and what `carried` names. #}
with parsed as not materialized (
    select
        line, id, hash, modified, deleted, seen, record, first_seen, first_modified
        {%- if not layout.paths.texts %}, null::varchar[] as t{% endif %},
        {{ layout.paths.columns() }}
        {%- for column in layout.stated %},
        {{ column }}
        {%- endfor %}

    from {{ source }}
),

-- Most records need no care: see paths.py.
sorted as not materialized (
    select *, {{ layout.paths.plain() }} as plain
    from parsed
    where k[1] = 'OBJECT'
),

-- What the record says, field by field, as text.
said as not materialized (
    select
        *,
        {{ layout.is_deleted }} as gone
        {%- for c in layout.columns %},
        {{ c.reading.text }} as {{ c.part("text") }},
        {{ c.reading.absent }} as {{ c.part("absent") }},
        {{ c.reading.wrong }} as {{ c.part("wrong") }}
        {%- if purpose == "rejects" %},
        {{ c.reading.shown }} as {{ c.part("shown") }}
        {%- endif %}
        {%- endfor %}

    from sorted
),

{% for c in layout.columns if c.is_phone and c.is_list %}
{{ c.part("phones") }} as (
    select said.line, list({{ lookup("one.text", "p") }} order by one.position) as numbers
    from said, unnest({{ c.part("text") }}) with ordinality as one(text, position)
    {{ join("one.text", "p") }}
    where len({{ c.part("text") }}) > 0
    group by all
),

{% endfor %}
-- What it means.
meant as not materialized (
    select
        said.*
        {%- for c in layout.columns %},
        {%+ if c.is_phone and c.is_list -%}
        list_filter({{ c.part("phones") }}.numbers, lambda m: m is not null)
        {%- else -%}
        {{ c.value }}
        {%- endif %} as {{ c.part("value") }}
        {%- endfor %}

    from said
    {% for one in phone_joins %}
    {{ one }}
    {% endfor %}
    {% for c in layout.columns if c.is_phone and c.is_list %}
    left join {{ c.part("phones") }}
        on {{ c.part("phones") }}.line = said.line
    {% endfor %}
),

-- Columns in the order of the schema; a set is sorted, an empty list is no value.
typed as not materialized (
    select
        id, hash, modified, seen, record, first_seen, first_modified, gone
        {%- for c in layout.columns %},
        {{ c.part("text") }}, {{ c.part("absent") }}, {{ c.part("wrong") }}
        {%- if c.is_list %}, coalesce(len({{ c.part("value") }}), 0) as {{ c.part("readable") }}{% endif %}
        {%- if purpose == "rejects" %}, {{ c.part("shown") }}{% endif %}
        {%- endfor %}
        {%- for name, field in layout.schema.fields.items() %},
        {{ value_of(name, field) }} as {{ name | ident }}
        {%- endfor %}
        {%- if purpose == "staging" %},
        {{ layout.custom }} as custom
        {%- endif %}

    from meant
)

{% if purpose == "staging" %}
select
    {{ (layout.connection ~ ":") | literal }} || id as record_key,
    {{ layout.connection | literal }} as connection,
    id as source_id,
    {{ modified_at }} as modified_at,
    {{ first_modified_at }} as first_modified_at,
    seen as seen_at,
    first_seen as first_seen_at,
    gone as is_deleted,
    {% if layout.scope %}coalesce(({{ layout.scope }}), false){% else %}true{% endif %} as is_in_scope,
    {% for name in layout.schema.fields %}
    {{ name | ident }},
    {% endfor %}
    custom,
    {{ names_where("absent") }} as absent_fields,
    {{ names_where("failed") }} as unreadable_fields,
    hash as raw_hash,
    hash({% for name in layout.schema.fields %}{{ name | ident }}{{ ", " if not loop.last }}{% endfor %}) as values_hash
from typed
{% elif purpose == "rejects" %}
select id as source_id, unnest(list_filter([
    {% for c in layout.columns %}
    case when {{ c.failed }} then {
        field: {{ c.name | literal }},
        value: left({{ c.part("shown") }}, 1000),
        reason: case when {{ c.part("wrong") }} then 'a list or an object where one value is expected'
                     else {{ c.reason | literal }} end
    } end{{ "," if not loop.last }}
    {% endfor %}
], lambda x: x is not null), recursive := true), seen as seen_at
from typed
{% else %}
select id, seen, modified, hash, {{ modified_at }} as modified_at, {{ first_modified_at }} as first_modified_at
    {%- for c in layout.columns %}, {{ c.name | ident }}{% endfor %}

from typed
{% endif %}
