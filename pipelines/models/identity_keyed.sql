-- One row is one record under one key of one candidate rule.
{% if rule.each %}
select rid, unnest({{ rule.name }}_key) as key from {{ hashes }}
{% else %}
select rid, {{ rule.name }}_key as key from {{ hashes }} where {{ rule.name }}_key is not null
{% endif %}
