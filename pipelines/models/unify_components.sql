-- One row is one record and the smallest label that any record it shares a key with has.
with
lowest as (
    select key, min(label) as label
    from edges
    join labels using (rid)
    group by key
),

nearest as (
    select rid, min(label) as label
    from edges
    join lowest using (key)
    group by rid
)

-- Jumping to the label's own label halves what is left of a long chain in each round.
select n.rid, least(n.label, l.label) as label
from nearest as n
join labels as l on l.rid = n.label
