-- One row is one record under a key that too many records shared before the change and no more, or the other way round.
with
before_and_after as (
    select rid, is_old, is_new, {% if rule.identifier %}value{% else %}hash({{ rule.on | join(", ") }}){% endif %} as key
    from (
        {% for table, is_old, is_new in [(known, false, false), ("identity_old", true, false)] %}
        {% if not loop.first %}union all
        {% endif %}
        select
            rid,
            {{ is_old }} as is_old,
            {% if loop.first %}rid in (select rid from identity_changed){% else %}false{% endif %} as is_new,
            {% if rule.identifier %}{% if rule.each %}unnest(coalesce({{ rule.each }}, [{{ rule.on[0] }}])){% else %}{{ rule.on[0] }}{% endif %} as value{% else %}{{ rule.columns | join(", ") }}{% endif %}

        from {{ table }}
        {% endfor %}
    )
    where {% if rule.identifier %}value is not null{% else %}{% for column in rule.on %}{{ column }} is not null{{ " and " if not loop.last }}{% endfor %}{% endif %}

),

asked as (
    select distinct key
    from before_and_after
    where is_old or is_new
),

counted as (
    select k.key, count(*) filter (not is_new) as before, count(*) filter (not is_old) as after
    from before_and_after as k
    semi join asked as q on q.key = k.key
    group by k.key
)

select distinct k.rid
from before_and_after as k
join counted as c on c.key = k.key
where (c.before <= {{ at_most }}) <> (c.after <= {{ at_most }})
