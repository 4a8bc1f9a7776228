-- One row is two records of one component that needs a look as a whole, with how many people carry what they share.
with
sizes as (
    select component, count(*) as records
    from identity_components
    group by component
),

inner_ties as (
    select c.component, count(*) as ties
    from identity_ties as t
    join identity_components as c on c.rid = t.a
    group by c.component
),

answered as (
    select c.component
    from (select a as rid from identity_answers union select b from identity_answers) as w
    join identity_components as c on c.rid = w.rid
    group by c.component
),

-- Three records or more and not all of them tied, too many, or an operator has spoken.
loose as (
    select s.component, s.records
    from sizes as s
    join inner_ties as i on i.component = s.component
    left join answered as w on w.component = s.component
    where (s.records > 2 and (i.ties < s.records * (s.records - 1) / 2 or s.records > {{ largest }}))
        or w.component is not null
),

members as (
    select c.rid, c.component, l.records
    from identity_components as c
    join loose as l on l.component = c.component
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
