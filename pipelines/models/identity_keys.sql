-- One row is one record under one key of one candidate rule; a key that one record has, or too many, is left out.
with
keyed as (
    select
        rid,
        {% if rule.identifier %}value{% else %}hash({{ rule.on | join(", ") }}){% endif %} as key
    {% if rule.identifier %}
    from (select rid, {% if rule.each %}unnest({{ rule.each }}){% else %}{{ rule.on[0] }}{% endif %} as value from {{ known }})
    where value is not null
    {% else %}
    from {{ known }}
    where {% for column in rule.on %}{{ column }} is not null{{ " and " if not loop.last }}{% endfor %}
    {% endif %}
),

usable as (
    select key
    from keyed
    group by key
    having count(*) between 2 and {{ at_most }}
)

select
    k.rid,
    k.key
from keyed as k
semi join usable as u on u.key = k.key
