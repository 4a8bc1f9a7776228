-- One row is one reference of a source record that leads to no living golden record, although its connection has records of that kind.
{% for rule in plan.references %}
select
    s.connection,
    {{ entity | literal }} as entity,
    s.source_id,
    {{ rule.name | literal }} as field,
    s.target as value,
    'leads to no {{ rule.to }} that is there' as reason,
from (
    select connection, source_id, is_deleted, {% if rule.is_list %}unnest({{ rule.name }}){% else %}{{ rule.name }}{% endif %} as target
    from staged
) as s
semi join (select distinct connection from map_{{ rule.to }}) as t on t.connection = s.connection
anti join map_{{ rule.to }} as m on m.record_key = s.target
where s.target is not null and not s.is_deleted
{{ "union all" if not loop.last }}
{% endfor %}
