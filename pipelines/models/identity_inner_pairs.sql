-- One row is two records of one component that needs a look as a whole, with how many people carry what they share.
with
members as (
    select c.rid, c.component, l.records
    from identity_components as c
    join identity_loose as l on l.component = c.component
),

-- All pairs of it; of a very large one, those that agree in something.
within as (
    select x.rid as a, y.rid as b
    from members as x
    join members as y on x.component = y.component and x.rid < y.rid
    where x.records <= {{ complete_up_to }}
    union all
    select m.a, m.b
    from {{ matches }} as m
    join members as x on x.rid = m.a
    join members as y on y.rid = m.b and y.component = x.component
    where x.records > {{ complete_up_to }}
)
{% for name, identifier in identifiers.items() %},

{{ name }}_carried as (
    select distinct k.rid, {% if identifier.each %}unnest(coalesce(k.{{ identifier.each }}, [k.{{ identifier.column }}])){% else %}k.{{ identifier.column }}{% endif %} as value
    from {{ known }} as k
    join members as m on m.rid = k.rid
),

{{ name }}_shared as (
    select w.a, w.b, min(coalesce(f.people, 1))::utinyint as people
    from within as w
    join {{ name }}_carried as x on x.rid = w.a
    join {{ name }}_carried as y on y.rid = w.b and y.value = x.value
    left join {{ frequencies }} as f on f.kind = '{{ name }}_people' and f.value = x.value
    where coalesce(f.people, 1) <= {{ identifier.most_people }}
    group by w.a, w.b
)
{% endfor %}

select
    w.a,
    w.b,
    {% for name in identifiers %}
    {{ name }}_shared.people as {{ name }}{{ "," if not loop.last }}
    {% endfor %}
from within as w
{% for name in identifiers %}
left join {{ name }}_shared on {{ name }}_shared.a = w.a and {{ name }}_shared.b = w.b
{% endfor %}
