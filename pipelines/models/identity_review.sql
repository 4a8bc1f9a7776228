-- One row is one undecided pair that an operator is asked about, the most telling first.
with
undecided as (
    select
        m.*,
        probability * (1 - probability) as doubt
    from {{ matches }} as m
    where m.probability between {{ at_least }} and {{ at_most }}
        and m.decision <> 'no'
        {% if answers %}
        and not exists (
            from {{ answers }} as w
            where (w.record_key_a = m.record_key_a and w.record_key_b = m.record_key_b)
                or (w.record_key_a = m.record_key_b and w.record_key_b = m.record_key_a)
        )
        {% endif %}
),

-- Pairs that look alike teach the same: the second of a kind is worth half of the first, the third a third.
ranked as (
    select
        *,
        sum(doubt) over (partition by evidence)
            / row_number() over (partition by evidence order by abs(bits), hash(record_key_a, record_key_b)) as worth
    from undecided
)

select record_key_a, record_key_b, probability, bits, evidence, worth
from ranked
order by worth desc, record_key_a, record_key_b
limit {{ n }}
