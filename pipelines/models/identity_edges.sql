-- One row is two records that are one person or may be, with the evidence in words.
select
    x.record_key as record_key_a,
    y.record_key as record_key_b,
    s.a,
    s.b,
    s.bits,
    (1 / (1 + pow(2, -s.bits)))::float as probability,
    case
        when s.bits >= {{ match_bits }} and not s.is_gated and not s.is_vetoed then 'match'
        when s.is_vetoed or s.bits < {{ review_bits }} then 'no'
        else 'review'
    end as decision,
    concat_ws(
        ', ',
        {% for name in comparisons %}
        '{{ name | replace("_", " ") }} ' || s.{{ name }},
        {% endfor %}
        case when s.is_gated then 'guard: given names differ' end,
        case when s.is_vetoed then 'guard: generations differ' end
    ) as evidence
from identity_scores as s
join {{ known }} as x on x.rid = s.a
join {{ known }} as y on y.rid = s.b
where s.bits >= {{ review_bits }}
