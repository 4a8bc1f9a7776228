-- One row is two records that share a key of one candidate rule, and how many people carry it where it is an identifier.
select
    x.rid as a,
    y.rid as b,
    {% for name in identifiers %}
    {% if name == rule.identifier %}coalesce(f.people, 1)::utinyint{% else %}null::utinyint{% endif %} as {{ name }}{{ "," if not loop.last }}
    {% endfor %}
from identity_keys as x
join identity_keys as y on x.key = y.key and x.rid < y.rid{% if touched %} and (x.is_touched or y.is_touched){% endif %}
{% if rule.identifier %}
left join {{ frequencies }} as f on f.kind = '{{ rule.identifier }}_people' and hash(f.value) = x.key
where coalesce(f.people, 1) <= {{ rule.most_people }}
{% endif %}
