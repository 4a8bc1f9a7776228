-- One row is two records that one rule calls one thing, or that a guard keeps apart although a rule ties them.
{% for rule in rules %}
{% if not loop.first %}union all
{% endif %}
select
    least(x.rid, y.rid) as a,
    greatest(x.rid, y.rid) as b,
    '{{ rule.name }}' as evidence,
    {% for guard in rule.guards %}coalesce(x.{{ guard }} <> y.{{ guard }}, false) or {% endfor %}{% if within %}x.{{ within }} = y.{{ within }}{% else %}false{% endif %} as is_vetoed
from identity_rule_keys as x
join identity_rule_keys as y on x.{{ rule.key }} = y.{{ rule.key }} and x.rid < y.rid
where x.{{ rule.key }} in (
    select {{ rule.key }} from identity_rule_keys group by 1 having count(*) between 2 and {{ rule.at_most }}
)
{% endfor %}
