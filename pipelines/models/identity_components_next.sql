-- One row is one record, the smallest label seen so far among the records it is tied to and among theirs, and whether it is another now.
with
heard as (
    select rid, min(component) as component, max(own) as own
    from (
        select rid, component, component as own from identity_components
        union all
        select t.a as rid, c.component, null as own from identity_ties as t join identity_components as c on c.rid = t.b
        union all
        select t.b as rid, c.component, null as own from identity_ties as t join identity_components as c on c.rid = t.a
    )
    group by rid
)

select
    h.rid,
    least(h.component, j.component) as component,
    least(h.component, j.component) <> h.own as is_news
from heard as h
join heard as j on j.rid = h.component
