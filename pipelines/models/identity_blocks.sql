-- One row is one key of one candidate rule that several records share, and how many do.
select rule, key, count(*) as records
from (
    {{ keyed | indent(4) }}
)
group by rule, key
having count(*) > 1
