-- One row is one record under one key of one candidate rule.
{% for rule in rules %}
{% if not loop.first %}
union all
{% endif %}
{% if rule.each %}
select {{ rule.number }}::utinyint as rule, rid, unnest({{ rule.name }}_key) as key from {{ hashes }}
{% else %}
select {{ rule.number }}::utinyint as rule, rid, {{ rule.name }}_key as key from {{ hashes }} where {{ rule.name }}_key is not null
{% endif %}
{% endfor %}
