-- One row is one key of one candidate rule that several records share, and how many do.
with
keyed as (
    {{ keyed | indent(4) }}
){% if touched %},

-- Only the keys of the records that are looked at anew.
asked as (
    select distinct k.key
    from keyed as k
    semi join {{ touched }} as t on t.rid = k.rid
){% endif %}


select k.key, count(*) as records
from keyed as k
{% if touched %}
semi join asked as q on q.key = k.key
{% endif %}
group by k.key
having count(*) > 1
