-- One row is two records that share a key of one candidate rule, and how many people carry it where it is an identifier.
{# beside: of a key that too many share, those that stand next to each other by name. #}
{% set told = rules | selectattr("identifier") | list %}
{% if beside %}
{% set neighbours %}case k.rule{% for rule in rules %} when {{ rule.number }} then {{ rule.neighbours }}{% endfor %} end{% endset %}
with
ordered as (
    select k.*, {{ neighbours }} as neighbours, row_number() over (partition by k.rule, k.key order by r.given, r.family, k.rid) as place
    from identity_keys as k
    join {{ known }} as r on r.rid = k.rid
),

partners as (
    select *, unnest(range(place + 1, place + neighbours + 1)) as partner
    from ordered
)

{% endif %}
select
    least(x.rid, y.rid) as a,
    greatest(x.rid, y.rid) as b,
    {% for name in identifiers %}
    {% set those = told | selectattr("identifier", "equalto", name) | list %}
    {% if those %}case when x.rule = {{ those[0].number }} then coalesce({{ name }}_carried.people, 1) end::utinyint{% else %}null::utinyint{% endif %} as {{ name }}{{ "," if not loop.last }}
    {% endfor %}
{% if beside %}
from partners as x
join ordered as y on y.rule = x.rule and y.key = x.key and y.place = x.partner{% else %}
from identity_keys as x
join identity_keys as y on y.rule = x.rule and y.key = x.key and x.rid < y.rid{% endif %}{% if touched %} and (x.is_touched or y.is_touched){% endif %}

{% for rule in told %}
left join {{ frequencies }} as {{ rule.identifier }}_carried
    on {{ rule.identifier }}_carried.kind = '{{ rule.identifier }}_people'
    and hash({{ rule.identifier }}_carried.value) = case when x.rule = {{ rule.number }} then x.key end
{% endfor %}
{% for rule in told %}
{{ "where" if loop.first else "and" }} coalesce({{ rule.identifier }}_carried.people, 1) <= {{ rule.most_people }}
{% endfor %}
