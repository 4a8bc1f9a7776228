-- One row is two records drawn at random (neighbours in the order of their hashes, which has nothing to do with the data).
with
shuffled as (
    select rid, row_number() over (order by rid) as place
    from {{ known }}
)

select
    x.rid as a,
    y.rid as b,
    {% for name in identifiers %}
    null::utinyint as {{ name }}{{ "," if not loop.last }}
    {% endfor %}
from shuffled as x
join shuffled as y on y.place between x.place + 1 and x.place + {{ neighbours }}
where x.place <= {{ draws }}
