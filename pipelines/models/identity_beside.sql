-- One row is one record under a key of one candidate rule that some other records have, too: those that are asked about.
with
asked as (
    select distinct key
    from (
        {{ asked | indent(8) }}
    )
)

select k.rid, k.key
from (
    {{ keyed | indent(4) }}
) as k
semi join asked as q on q.key = k.key
