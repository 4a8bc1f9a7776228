-- One row is one component that needs a look as a whole: three records or more and not all of them tied, too many, or an
-- operator has spoken.
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
)

select s.component, s.records
from sizes as s
join inner_ties as i on i.component = s.component
left join answered as w on w.component = s.component
where (s.records > 2 and (i.ties < s.records * (s.records - 1) / 2 or s.records > {{ largest }}))
    or w.component is not null
