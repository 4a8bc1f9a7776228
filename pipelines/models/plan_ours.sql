-- One row is one golden record, with those references that this CRM has, or is about to have, a record for.
{% set references = fields | selectattr("is_reference") | list %}
select
    g.{{ singular }}_id as golden_id,
    {% for f in fields %}
    {% if f.is_reference and f.is_list %}
    {{ (f.name ~ "_refs") | ident }}.ids as {{ f.name | ident }},
    {% elif f.is_reference %}
    {{ (f.name ~ "_refs") | ident }}.golden_id as {{ f.name | ident }},
    {% else %}
    g.{{ f.name | ident }},
    {% endif %}
    {% endfor %}
from {{ goldens }} as g
{% for f in references %}
{% if f.is_list %}
left join (
    select m.golden_id, list_sort(list(distinct t.golden_id)) as ids
    from (select {{ singular }}_id as golden_id, unnest({{ f.name | ident }}) as member from {{ goldens }}) as m
    join plan_reachable as t on t.entity = {{ f.to | literal }} and t.golden_id = m.member
    group by m.golden_id
) as {{ (f.name ~ "_refs") | ident }} on {{ (f.name ~ "_refs") | ident }}.golden_id = g.{{ singular }}_id
{% else %}
left join plan_reachable as {{ (f.name ~ "_refs") | ident }}
    on {{ (f.name ~ "_refs") | ident }}.entity = {{ f.to | literal }}
    and {{ (f.name ~ "_refs") | ident }}.golden_id = g.{{ f.name | ident }}
{% endif %}
{% endfor %}
