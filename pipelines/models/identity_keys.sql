-- One row is one record under one key of one candidate rule; a key that one record has, or too many, is left out.
with
keyed as (
    select
        rid,
        {% if rule.identifier %}value{% else %}hash({{ rule.on | join(", ") }}){% endif %} as key
    {% if rule.identifier %}
    from (select rid, {% if rule.each %}unnest(coalesce({{ rule.each }}, [{{ rule.on[0] }}])){% else %}{{ rule.on[0] }}{% endif %} as value from {{ known }})
    where value is not null
    {% else %}
    from {{ known }}
    where {% for column in rule.on %}{{ column }} is not null{{ " and " if not loop.last }}{% endfor %}
    {% endif %}
),
{% if touched %}

-- Only the keys of the records that are looked at anew.
asked as (
    select distinct k.key
    from keyed as k
    semi join {{ touched }} as t on t.rid = k.rid
),

near as (
    select k.rid, k.key
    from keyed as k
    semi join asked as q on q.key = k.key
),
{% else %}

near as (
    from keyed
),
{% endif %}

usable as (
    select key
    from near
    group by key
    having count(*) between 2 and {{ at_most }}
)

select
    n.rid,
    n.key{% if touched %},
    t.rid is not null as is_touched{% endif %}

from near as n
semi join usable as u on u.key = n.key
{% if touched %}
left join {{ touched }} as t on t.rid = n.rid
{% endif %}
