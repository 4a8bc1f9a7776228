-- One row is two records, how far each comparison agrees, what all of it weighs in bits (log2 of the odds), and the verdict.
{% set namesake = "case when given_name = 'exact' and family_name = 'exact' then " ~ namesake_bits ~ " else 0 end" %}
with
-- Rarity in bits: 10 bits is one record in 1,024. The record's own twins do not make its values common.
rated as (
    select
        *,
        {% for column in terms %}
        log2({{ population }} / greatest(1, {{ column }}_records - {{ twins }})) as {{ column }}_bits,
        {% endfor %}
    from {{ compared }}
),

weighed as (
    select
        *,
        {% for name, levels in comparisons.items() %}
        case {{ name }}{% for level, w in levels.items() %}

            when '{{ level }}' then {{ w.same }}{% endfor %}

            else 0
        end as same_{{ name }},
        case {{ name }}{% for level, w in levels.items() %}

            when '{{ level }}' then {{ w.household }}{% endfor %}

            else 0
        end as household_{{ name }},
        {% endfor %}
        {{ namesake }} as namesake_bits
    from rated
),

summed as (
    select
        *,
        {{ prior.same }} - namesake_bits{% for name in comparisons %} + same_{{ name }}{% endfor %} as same_bits,
        {{ prior.household }} - namesake_bits{% for name in comparisons %} + household_{{ name }}{% endfor %} as household_bits
    from weighed
),

-- The second guard: a generation always tells father from son. And a record without a name is whoever alone has its
-- mailbox, its telephone or its personal number: there is nothing in it by which it could be anybody else.
guarded as (
    select
        *,
        round(greatest(
            same_bits - log2(1 + pow(2, household_bits)),
            case
                when not is_nameless or birth_date = 'different' or national_id = 'different' then null
                when email = 'exact' or national_id = 'exact' then {{ nameless_bits }}
                when phone = 'exact' and coalesce(email not in ('different', 'other'), true) then {{ nameless_bits }}
            end
        ), 3)::float as bits,
        coalesce(generation = 'different', false) as is_vetoed
    from summed
)

select
    a,
    b,
    {% for name in comparisons %}
    {{ name }},
    {% endfor %}
    {% if explain %}
    {% for name in comparisons %}
    same_{{ name }}::float as same_{{ name }},
    household_{{ name }}::float as household_{{ name }},
    {% endfor %}
    same_bits::float as same_bits,
    household_bits::float as household_bits,
    {% endif %}
    bits,
    is_gated,
    is_vetoed
from guarded
where bits >= {{ floor }}
