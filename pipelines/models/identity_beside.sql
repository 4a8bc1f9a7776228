-- One row is one record under a key of one candidate rule that is asked about: those beside whom others stand.
{% for rule in rules %}
{% if not loop.first %}
union all
{% endif %}
select k.*
from (
    {{ keyed_by[rule.number] | indent(4) }}
) as k
semi join (select key from {{ asked }} where rule = {{ rule.number }}) as q on q.key = k.key
{% endfor %}
