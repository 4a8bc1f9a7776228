-- One row is two clusters that are each other's best: they become one.
with
{% if one_of_each_place %}
in_one_place as (
    select distinct l.a, l.b
    from identity_links as l
    join identity_places as x on x.cluster = l.a
    join identity_places as y on y.cluster = l.b and y.place = x.place
),

{% endif %}
weighed as (
    select
        l.a,
        l.b,
        l.records_a + l.records_b as records,
        l.pull / (l.records_a * l.records_b) as strength
    from identity_links as l
    {% if one_of_each_place %}
    anti join in_one_place as p on p.a = l.a and p.b = l.b
    {% endif %}
    where not l.is_vetoed and l.strongest >= {{ match_bits }} and l.records_a + l.records_b <= {{ largest }}
),

both_ways as (
    select a as cluster, b as other, records, strength, hash(a, b) as lot from weighed where strength > 0
    union all
    select b as cluster, a as other, records, strength, hash(a, b) as lot from weighed where strength > 0
),

-- Of equals the lot decides, the same for both sides and in every order of records.
best as (
    select cluster, other, records
    from both_ways
    qualify row_number() over (partition by cluster order by strength desc, lot) = 1
)

select x.cluster as stays, x.other as goes, x.records
from best as x
join best as y on y.cluster = x.other and y.other = x.cluster
where x.cluster < x.other
