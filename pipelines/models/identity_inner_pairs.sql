-- One row is two records of one component that needs a look as a whole: three records or more, not all of them tied.
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
    from identity_answers as w
    join identity_components as c on c.rid in (w.a, w.b)
),

loose as (
    select s.component, s.records
    from sizes as s
    join inner_ties as i on i.component = s.component
    where (s.records > 2 and (i.ties < s.records * (s.records - 1) / 2 or s.records > {{ largest }}))
        or s.component in (select component from answered)
),

members as (
    select c.rid, c.component, l.records
    from identity_components as c
    join loose as l on l.component = c.component
),

-- All pairs of it; of a very large one, those that were candidates.
within as (
    select x.rid as a, y.rid as b
    from members as x
    join members as y on x.component = y.component and x.rid < y.rid
    where x.records <= {{ complete_up_to }}
    union all
    select p.a, p.b
    from {{ pairs }} as p
    join members as x on x.rid = p.a
    join members as y on y.rid = p.b and y.component = x.component
    where x.records > {{ complete_up_to }}
)

select
    w.a,
    w.b,
    {% for name in identifiers %}
    p.{{ name }}{{ "," if not loop.last }}
    {% endfor %}
from within as w
left join {{ pairs }} as p on p.a = w.a and p.b = w.b
