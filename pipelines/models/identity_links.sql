-- One row is two clusters that may become one: the sum of what ties and parts their records, in 1/1000 bits, the strongest tie.
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
told as (
    select a, b, round(1000 * {{ pull }})::bigint as pull, bits, is_vetoed
    from identity_inner_scores
    union all
    select a, b, 0 as pull, -1000 as bits, true as is_vetoed
    from identity_answers
    where not is_same
)

select
    least(x.cluster, y.cluster) as a,
    greatest(x.cluster, y.cluster) as b,
    sum(t.pull) as pull,
    max(t.bits) as strongest,
    bool_or(t.is_vetoed) as is_vetoed
from told as t
join identity_members as x on x.rid = t.a
join identity_members as y on y.rid = t.b
where x.cluster <> y.cluster
group by 1, 2
