-- One row is one record under one key of one candidate rule: of the keys that fit, or of those that too many share.
{% set at_most %}case rule{% for rule in rules %} when {{ rule.number }} then {{ caps[rule.name] }}{% endfor %} end{% endset %}
{% set neighbours %}case rule{% for rule in rules %} when {{ rule.number }} then {{ rule.neighbours }}{% endfor %} end{% endset %}
with
keyed as (
    {{ keyed | indent(4) }}
)

select
    k.rule,
    k.rid,
    k.key{% if touched %},
    t.rid is not null as is_touched{% endif %}

from keyed as k
semi join (
    select rule, key from identity_blocks where records {% if fits %}<= {{ at_most }}{% else %}> {{ at_most }} and {{ neighbours }} > 0{% endif %}

) as b on b.rule = k.rule and b.key = k.key
{% if touched %}
left join {{ touched }} as t on t.rid = k.rid
{% endif %}
