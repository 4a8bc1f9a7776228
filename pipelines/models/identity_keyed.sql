-- One row is one record under one key of one candidate rule.
{% if rule.identifier %}
select rid, value as key
from (
    select rid, {% if rule.each %}unnest(coalesce({{ rule.each }}, [{{ rule.on[0] }}])){% else %}{{ rule.on[0] }}{% endif %} as value
    from {{ known }}
)
where value is not null
{% else %}
select rid, hash({{ rule.on | join(", ") }}) as key
from {{ known }}
where {% for column in rule.on %}{{ column }} is not null{{ " and " if not loop.last }}{% endfor %}
{% endif %}
