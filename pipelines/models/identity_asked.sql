-- One row is one key of one candidate rule that the changed records have or had, and how many more share it now.
select rule, key, sum(more)::integer as more
from (
    select rule, key, 1 as more
    from ({{ keyed_after | indent(4) }})
    union all
    select rule, key, -1 as more
    from ({{ keyed_before | indent(4) }})
)
group by rule, key
