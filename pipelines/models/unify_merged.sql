-- One row is one golden record that several source records tell of, or one that was edited: each field's value and the rank that won.
{% macro preference(r) %}
{% if r.strategy == "trusted" %}
coalesce({{ r.order | length + 1 }} - list_position({{ r.order | literals }}::varchar[], s.connection), 0)
{%- elif r.strategy == "most_complete" %}
least(length(s.{{ r.name | ident }}{{ "" if r.is_list else "::varchar" }}), 1000000)
{%- elif r.strategy == "most_frequent" %}
count(*) filter (p.votes) over (partition by p.golden_id, s.{{ r.name | ident }})
{%- elif r.strategy == "strictest" and r.type == "BOOLEAN" %}
s.{{ r.name | ident }}::integer
{%- elif r.strategy == "strictest" %}
coalesce({{ r.order | length + 1 }} - list_position({{ r.order | literals }}::varchar[], s.{{ r.name | ident }}), 0)
{%- elif r.strategy == "earliest" %}
greatest(17179869184 - epoch(s.{{ r.name | ident }})::bigint, 0)
{%- endif %}
{% endmacro %}
{# An echo may repeat a derived value: where a field can be derived, what we wrote is not taken for stated. #}
{% macro rank(r) %}
{% if r.name in edited_fields %}coalesce(e.{{ r.name | ident }}, p.rank){% else %}p.rank{% endif %} + p.place
{%- if r.strategy not in ("latest", "union") %} + ({{ preference(r) | trim }})::hugeint * {{ preference_unit }}{% endif %}
{%- if r.strategy not in ("strictest", "earliest", "union") %}
{%- if r.derived %} + case when s.connection in ({% for c in r.derived %}{{ c | literal }}{{ ", " if not loop.last }}{% endfor %})
{%- if r.name in edited_fields %} or coalesce(e.{{ r.name | ident }}, p.rank) & {{ edit }} = 0{% endif %} then 0 else {{ stated }} end{% else %} + {{ stated }}{% endif %}
{%- endif %}
{%- if r.there or r.here %} + case {% if r.there %}when s.connection in ({% for c in r.there %}{{ c | literal }}{{ ", " if not loop.last }}{% endfor %}) then 2 * {{ owner_unit }} {% endif -%}
{% if r.here %}when s.connection in ({% for c in r.here %}{{ c | literal }}{{ ", " if not loop.last }}{% endfor %}) then 0 {% endif -%}
else {{ owner_unit }} end{% endif %}
{% endmacro %}
{% macro since(rank) %}(({{ rank }} >> 25) & 9223372036854775807){% endmacro %}
{% set present = present_rules | map(attribute="name") | list %}
{% set joined_rules = [] %}
{% set part_names = [] %}
{% for r in present_rules %}{% set parts = r.parts | select("in", present) | list %}
{% if parts and not r.there and not r.here %}{{ joined_rules.append((r.name, parts)) or "" }}{{ part_names.extend(parts) or "" }}{% endif %}
{% endfor %}
with
{% if edited_fields %}
edits as (
    select
        record_key,
        {% for name in edited_fields %}
        max(rank) filter (field = {{ name | literal }}) as {{ name | ident }},
        {% endfor %}
    from (
        select
            record_key,
            field,
            coalesce((epoch_us(edited_at)::hugeint + {{ epoch }}) * {{ since_unit }}, 0)
                + case when is_echo then 0 else {{ edit }} end as rank,
        from {{ edits }}
    )
    semi join placed using (record_key)
    group by record_key
),

{% endif %}
candidates as (
    select
        p.golden_id,
        p.position,
        s.connection,
        s.modified_at,
        {% for r in present_rules %}
        {# What is strictest counts also where the record is frozen: consent does not lapse. #}
        {% if r.strategy == "strictest" %}s.{{ r.name | ident }}{% else %}case when p.votes then s.{{ r.name | ident }} end{% endif %} as {{ r.name | ident }},
        {{ rank(r) | trim }} as {{ (r.name ~ "__rank") | ident }},
        {% if r.name in part_names %}
        {% if r.name in edited_fields %}coalesce(e.{{ r.name | ident }} & {{ edit }} <> 0, false){% else %}false{% endif %} as {{ (r.name ~ "__edited") | ident }},
        {% endif %}
        {% endfor %}
    from {{ records }} as s
    join placed as p using (record_key)
    {% if edited_fields %}
    left join edits as e using (record_key)
    {% endif %}
    where p.tier > 0 and not p.is_plain
),

chosen as (
    select
        golden_id,
        {% for r in present_rules %}
        {% if r.strategy == "union" %}
        list({'position': position, 'value': {{ r.name | ident }}}) filter ({{ r.name | ident }} is not null) as {{ r.name | ident }},
        {% if r.main %}
        list({'position': position, 'value': {{ r.main | ident }}}) filter ({{ r.main | ident }} is not null) as {{ (r.name ~ "__mains") | ident }},
        max({{ (r.main ~ "__rank") | ident }}) filter ({{ r.main | ident }} is not null) as {{ (r.name ~ "__main_rank") | ident }},
        {% endif %}
        {% else %}
        arg_max({{ r.name | ident }}, {{ (r.name ~ "__rank") | ident }}) as {{ r.name | ident }},
        {% endif %}
        {% if r.name in part_names %}
        arg_max({{ (r.name ~ "__edited") | ident }}, {{ (r.name ~ "__rank") | ident }}) filter ({{ r.name | ident }} is not null) as {{ (r.name ~ "__edited") | ident }},
        {% endif %}
        max({{ (r.name ~ "__rank") | ident }}) filter ({{ r.name | ident }} is not null) as {{ (r.name ~ "__rank") | ident }},
        {% endfor %}
        count(*) as source_count,
        list_sort(list_distinct(list(connection))) as connections,
        max(modified_at) as updated_at,
    from candidates
    group by golden_id
),

-- Lists in the order of the sources; a main value that lost is kept in the list beside it.
gathered as (
    select
        * replace (
            {% for r in present_rules if r.strategy == "union" %}
            coalesce(flatten(list_transform(list_sort({{ r.name | ident }}), lambda x: x.value)), [])
            {%- if r.main %} || coalesce(list_filter(
                list_transform(list_sort({{ (r.name ~ "__mains") | ident }}), lambda x: x.value),
                lambda x: x <> {{ r.main | ident }}
            ), []){% endif %} as {{ r.name | ident }},
            {% if r.main %}
            coalesce({{ (r.name ~ "__rank") | ident }}, {{ (r.name ~ "__main_rank") | ident }}) as {{ (r.name ~ "__rank") | ident }},
            {% endif %}
            {% endfor %}
            source_count as source_count,
        )
    from chosen
),

-- The main value stands first in its list.
listed as (
    select
        * replace (
            {% for r in present_rules if r.main %}
            case when list_contains({{ r.name | ident }}, {{ r.main | ident }}) then [{{ r.main | ident }}] else [] end
                || {{ r.name | ident }} as {{ r.name | ident }},
            {% endfor %}
            source_count as source_count,
        )
    from gathered
),

-- A text that is joined from others, such as a whole name, follows them where one of them was edited later than it was
-- stated, or where nobody stated it: a CRM that makes it itself follows only after we wrote.
judged as (
    select
        *,
        {% for name, parts in joined_rules %}
        source_count > 1 and {{ name | ident }} is not null
            and coalesce({% for part in parts %}{{ part | ident }}{{ ", " if not loop.last }}{% endfor %}) is not null and (
                ({{ (name ~ "__rank") | ident }} & {{ stated }} = 0 and {{ (name ~ "__rank") | ident }} & {{ edit }} <> 0)
                {% for part in parts %}
                or coalesce({{ (part ~ "__edited") | ident }} and {{ since((part ~ "__rank") | ident) }} > {{ since((name ~ "__rank") | ident) }}, false)
                {% endfor %}
            ) as {{ (name ~ "__is_joined") | ident }},
        {% endfor %}
    from listed
),

joined as (
    select
        * replace (
            {% for name, parts in joined_rules %}
            case
                when {{ (name ~ "__is_joined") | ident }}
                    then concat_ws(' ', {% for part in parts %}{{ part | ident }}{{ ", " if not loop.last }}{% endfor %})
                else {{ name | ident }}
            end as {{ name | ident }},
            case
                when {{ (name ~ "__is_joined") | ident }}
                    then greatest({% for part in parts %}{{ (part ~ "__rank") | ident }}{{ ", " if not loop.last }}{% endfor %})
                else {{ (name ~ "__rank") | ident }}
            end as {{ (name ~ "__rank") | ident }},
            {% endfor %}
            source_count as source_count,
        )
    from judged
)

select
    golden_id,
    {% for r in rules %}
    {% if r not in present_rules %}
    null::{{ r.type }} as {{ r.name | ident }},
    null::hugeint as {{ (r.name ~ "__rank") | ident }},
    {% else %}
    {% if r.strategy == "union" %}
    case
        when length({{ r.name | ident }}) > 0
            then list_filter({{ r.name | ident }}, lambda x, i: list_position({{ r.name | ident }}, x) = i)
    end as {{ r.name | ident }},
    {% else %}
    {{ r.name | ident }},
    {% endif %}
    {{ (r.name ~ "__rank") | ident }},
    {% endif %}
    {% endfor %}
    source_count,
    connections,
    updated_at,
from joined
