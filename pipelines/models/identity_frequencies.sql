-- One row is one value that several records have, and about how many people they are: one per initial of their given
-- names, nicknames undone, for names are misspelt and people are not; records without a name are half a person each.
{% set value = "unnest(coalesce(" ~ source.each ~ ", [" ~ source.column ~ "]))" if source.each else source.column %}
with
named as (
    select {{ value }} as value{% if source.people %}, initial{% endif %}

    from identity_records
),

repeated as (
    select value, count(*)::integer as records
    from named
    where value is not null
    group by value
    having count(*) > 1
)
{% if source.people %},

counted as (
    select
        value,
        least(255, greatest(1, count(distinct initial), count(*) filter (initial is null) // 2)) as people
    from named
    semi join repeated using (value)
    group by value
)

select '{{ kind }}' as kind, r.value, r.records, c.people::utinyint as people
from repeated as r
join counted as c using (value)
{% else %}

select '{{ kind }}' as kind, value, records, null::utinyint as people
from repeated
{% endif %}
