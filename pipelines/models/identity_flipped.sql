-- One row is one record under a key that too many records shared before the change and no more, or the other way round.
{# Where such records are looked at beside their neighbours, they may have others now. #}
{% set at_most %}case rule{% for rule in rules %} when {{ rule.number }} then {{ caps[rule.name] }}{% endfor %} end{% endset %}
{% set neighbours %}case rule{% for rule in rules %} when {{ rule.number }} then {{ rule.neighbours }}{% endfor %} end{% endset %}
with
before_and_after as (
    select rule, rid, key, false as is_old, rid in (select rid from identity_changed) as is_new
    from identity_beside
    union all
    select rule, rid, key, true as is_old, false as is_new
    from ({{ keyed_before | indent(4) }})
),

counted as (
    select
        rule,
        key,
        count(*) filter (not is_new) as before,
        count(*) filter (not is_old) as after,
        {{ at_most }} as at_most,
        {{ neighbours }} as neighbours
    from before_and_after
    group by rule, key
)

select distinct k.rid
from before_and_after as k
join counted as c on c.rule = k.rule and c.key = k.key
where case
    when c.neighbours > 0 then greatest(c.before, c.after) > c.at_most
    else (c.before <= c.at_most) <> (c.after <= c.at_most)
end
