-- One row is two records that share a key which too many share, and stand next to each other by name.
with
ordered as (
    select k.*, row_number() over (partition by k.key order by r.given, r.family, k.rid) as place
    from identity_keys as k
    join {{ known }} as r on r.rid = k.rid
),

partners as (
    select *, unnest(range(place + 1, place + {{ neighbours }} + 1)) as partner
    from ordered
)

select
    least(x.rid, y.rid) as a,
    greatest(x.rid, y.rid) as b,
    {% for name in identifiers %}
    {% if name == rule.identifier %}coalesce(f.people, 1)::utinyint{% else %}null::utinyint{% endif %} as {{ name }}{{ "," if not loop.last }}
    {% endfor %}
from partners as x
join ordered as y on y.key = x.key and y.place = x.partner{% if touched %} and (x.is_touched or y.is_touched){% endif %}
{% if rule.identifier %}
left join {{ frequencies }} as f on f.kind = '{{ rule.identifier }}_people' and hash(f.value) = x.key
where coalesce(f.people, 1) <= {{ rule.most_people }}
{% endif %}
