-- One row is one record under a key that too many records shared before the change and no more, or the other way round.
{# Where such records are looked at beside their neighbours, they may have others now. #}
with
flipped as (
    select rule, key
    from identity_counted
    where case
        when neighbours > 0 then greatest(before, after) > at_most
        else (before <= at_most) <> (after <= at_most)
    end
)

select distinct k.rid
from identity_beside as k
semi join flipped as f on f.rule = k.rule and f.key = k.key
anti join identity_changed as c on c.rid = k.rid
