-- One row is two records drawn at random (neighbours in the order of their hashes, which has nothing to do with the data).
with
shuffled as (
    select rid, row_number() over (order by rid) as place
    from {{ known }}
),

draws as (
    select rid, place + unnest(range(1, {{ neighbours }} + 1)) as partner
    from shuffled
    where place <= {{ draws }}
)

select
    x.rid as a,
    y.rid as b,
    {% for name in identifiers %}
    null::utinyint as {{ name }}{{ "," if not loop.last }}
    {% endfor %}
from draws as x
join shuffled as y on y.place = x.partner
