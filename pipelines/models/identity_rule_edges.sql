-- One row is two records that rules call one thing: match, review (another record fits as well), or no (a guard parts them).
with
{% for rule in rules %}
keys_{{ loop.index }} as (
    select rid, {{ rule.key }}{% if rule.each %} || chr(31) || unnest({{ rule.each }}){% endif %} as key{% for guard in rule.guards %}, {{ guard }}{% endfor %}

    from identity_rule_keys
),

few_{{ loop.index }} as (
    from keys_{{ loop.index }}
    where key is not null
    qualify count(*) over (partition by key) between 2 and {{ rule.at_most }}
),

{% endfor %}
found as (
    {% for rule in rules %}
    {% if not loop.first %}union all
    {% endif %}
    select
        x.rid as a,
        y.rid as b,
        '{{ rule.name }}' as evidence,
        {% for guard in rule.guards %}coalesce(x.{{ guard }} <> y.{{ guard }}, false) or {% endfor %}false as is_vetoed
    from few_{{ loop.index }} as x
    join few_{{ loop.index }} as y on x.key = y.key and x.rid < y.rid
    {% endfor %}
),

-- One rule that no guard contradicts is enough.
pairs as (
    select
        x.record_key as record_key_a,
        y.record_key as record_key_b,
        f.a,
        f.b,
        count(distinct f.evidence) filter (not f.is_vetoed) as rules,
        bool_and(f.is_vetoed{% if within %} or coalesce(x.{{ within }} = y.{{ within }}, false){% endif %}) as is_vetoed,
        string_agg(distinct f.evidence, ', ' order by f.evidence) as evidence,
        {% if within %}
        x.{{ within }} as within_a,
        y.{{ within }} as within_b,
        {% endif %}
    from found as f
    join identity_rule_keys as x on x.rid = f.a
    join identity_rule_keys as y on y.rid = f.b
    group by all
){% if within %},

ends as (
    select a as rid, b as other, within_b as place, rules from pairs where not is_vetoed
    union all
    select b, a, within_a, rules from pairs where not is_vetoed
),

-- Of two candidates in one place that fit equally well neither is taken.
best as (
    select rid, arg_max(other, rules) as other
    from ends
    group by rid, place
    having list(rules order by rules desc)[1] > coalesce(list(rules order by rules desc)[2], 0)
){% endif %},


decided as (
    select
        *,
        case
            when is_vetoed then 'no'
            {% if within %}
            when (a, b) not in (select (rid, other) from best) or (b, a) not in (select (rid, other) from best) then 'review'
            {% endif %}
            else 'match'
        end as decision
    from pairs
)

-- A rule knows no chances: what it cannot decide is as likely as not.
select
    record_key_a,
    record_key_b,
    a,
    b,
    case decision when 'match' then {{ bits }} when 'review' then 0 else -{{ bits }} end::float as bits,
    case decision when 'match' then 1 when 'review' then 0.5 else 0 end::float as probability,
    decision,
    evidence
from decided
