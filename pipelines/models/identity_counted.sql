-- One row is one key of one candidate rule that the changed records have or had, and how many share it before and after.
with
before_and_after as (
    select rule, key, true as is_after, rid not in (select rid from identity_changed) as is_before
    from identity_beside
    union all
    select rule, key, false as is_after, true as is_before
    from ({{ keyed_before | indent(4) }})
)

select
    rule,
    key,
    count(*) filter (is_before) as before,
    count(*) filter (is_after) as after,
    case rule{% for rule in rules %} when {{ rule.number }} then {{ caps[rule.name] }}{% endfor %} end as at_most,
    case rule{% for rule in rules %} when {{ rule.number }} then {{ rule.neighbours }}{% endfor %} end as neighbours
from before_and_after
group by rule, key
