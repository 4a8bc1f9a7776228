-- One row is one record and the hash of its key under each candidate rule: narrow, to be read rule by rule.
select
    rid,
    {% for rule in rules %}
    case
        {% if rule.each %}
        when {{ rule.each }} is not null then list_transform({{ rule.each }}, lambda one: hash(one))
        when {{ rule.on[0] }} is not null then [hash({{ rule.on[0] }})]
        {% else %}
        when {% for column in rule.on %}{{ column }} is not null{{ " and " if not loop.last }}{% endfor %} then hash({{ rule.on | join(", ") }})
        {% endif %}
    end as {{ rule.name }}_key{{ "," if not loop.last }}
    {% endfor %}
from {{ known }}
