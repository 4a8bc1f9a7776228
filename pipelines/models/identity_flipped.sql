-- One row is one record under a key that too many records shared before the change and no more, or the other way round.
{# Where such records are looked at beside their neighbours, they may have others now. #}
with
before_and_after as (
    select rid, key, false as is_old, rid in (select rid from identity_changed) as is_new
    from identity_beside
    union all
    select rid, key, true as is_old, false as is_new
    from ({{ keyed_before | indent(4) }})
),

counted as (
    select key, count(*) filter (not is_new) as before, count(*) filter (not is_old) as after
    from before_and_after
    group by key
)

select distinct k.rid
from before_and_after as k
join counted as c on c.key = k.key
where {% if neighbours %}greatest(c.before, c.after) > {{ at_most }}{% else %}(c.before <= {{ at_most }}) <> (c.after <= {{ at_most }}){% endif %}

