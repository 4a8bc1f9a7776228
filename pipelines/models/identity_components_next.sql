-- One row is one record and the smallest label seen so far among the records it is tied to, and among theirs.
with
heard as (
    select rid, min(component) as component
    from (
        select rid, component from identity_components
        union all
        select t.a as rid, c.component from identity_ties as t join identity_components as c on c.rid = t.b
        union all
        select t.b as rid, c.component from identity_ties as t join identity_components as c on c.rid = t.a
    )
    group by rid
)

select
    h.rid,
    least(h.component, j.component) as component
from heard as h
join heard as j on j.rid = h.component
