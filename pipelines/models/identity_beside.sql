-- One row is one record under a key of one candidate rule that some other records have, too: those that are asked about.
{% for one in each_rule %}
{% if not loop.first %}
union all
{% endif %}
select k.*
from (
    {{ one.keyed | indent(4) }}
) as k
semi join (
    {{ one.asked | indent(4) }}
) as q on q.key = k.key
{% endfor %}
