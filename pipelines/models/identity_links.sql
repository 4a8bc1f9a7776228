-- One row is two clusters that may become one: the sum of what ties and parts their records, in 1/1000 bits, the strongest tie, their sizes.
{# A contradiction pulls apart with all its weight; that two records merely have nothing in common hardly counts. #}
{% set pull %}
case
    when is_gated or is_vetoed then least(bits, -{{ most_bits }})
    when given_name = 'different' or birth_date = 'different' or national_id = 'different'
        then least(greatest(bits, -{{ most_bits }}), {{ most_bits }})
    else least(greatest(bits, -{{ silence_bits }}), {{ most_bits }})
end
{% endset %}
with
sizes as (
    select cluster, count(*) as records
    from identity_members
    group by cluster
),

told as (
    select a, b, round(1000 * {{ pull }})::bigint as pull, bits, is_vetoed
    from identity_inner_scores
    union all
    select a, b, 0 as pull, -1000 as bits, true as is_vetoed
    from identity_answers
    where not is_same
),

-- Records that an operator called one speak with one voice, the strongest: that one of them has another name is settled.
voices as (
    select
        t.*,
        coalesce(x.same, t.a) as voice_a,
        coalesce(y.same, t.b) as voice_b,
        x.rid is not null or y.rid is not null as is_one_of_several
    from told as t
    left join identity_same as x on x.rid = t.a
    left join identity_same as y on y.rid = t.b
),

heard as (
    select a, b, pull, bits, is_vetoed
    from voices
    where not is_one_of_several
    union all
    select
        least(voice_a, voice_b) as a,
        greatest(voice_a, voice_b) as b,
        max(pull) * count(*) as pull,
        max(bits) as bits,
        bool_or(is_vetoed) as is_vetoed
    from voices
    where is_one_of_several
    group by 1, 2
),

linked as (
    select
        least(x.cluster, y.cluster) as a,
        greatest(x.cluster, y.cluster) as b,
        c.component,
        sum(t.pull)::bigint as pull,
        max(t.bits) as strongest,
        bool_or(t.is_vetoed) as is_vetoed
    from heard as t
    join identity_members as x on x.rid = t.a
    join identity_members as y on y.rid = t.b
    left join identity_components as c on c.rid = t.a
    where x.cluster <> y.cluster
    group by 1, 2, 3
)

select l.*, x.records as records_a, y.records as records_b
from linked as l
join sizes as x on x.cluster = l.a
join sizes as y on y.cluster = l.b
