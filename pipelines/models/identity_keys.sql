-- One row is one record under one key of one candidate rule: of the keys that fit, or of those that too many share.
with
keyed as (
    {{ keyed | indent(4) }}
)

select
    k.rid,
    k.key{% if touched %},
    t.rid is not null as is_touched{% endif %}

from keyed as k
semi join (select key from identity_blocks where records {{ "<=" if fits else ">" }} {{ at_most }}) as b on b.key = k.key
{% if touched %}
left join {{ touched }} as t on t.rid = k.rid
{% endif %}
