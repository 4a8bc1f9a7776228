-- One row is two source records and whether they are the same: an operator's word, or that we made one for the other.
with
homes as (
    select m.record_key, coalesce(d.to_id, m.golden_id) as golden_id
    from made as m
    left join {{ redirects }} as d on d.from_id = m.golden_id
),

-- The record it was made for: the oldest of its golden record that we did not make.
made_for as (
    select h.record_key, arg_min(r.record_key, (r.since, r.record_key)) as origin
    from homes as h
    join {{ registry }} as r on r.golden_id = h.golden_id
    semi join staged as s on s.record_key = r.record_key
    anti join made as m on m.record_key = r.record_key
    group by h.record_key
),

pairs as (
    select least(record_key, origin) as record_key_a, greatest(record_key, origin) as record_key_b, 'same' as answer, 'push' as said_by
    from made_for
)

select record_key_a, record_key_b, answer, 'operator' as said_by from told where answer in ('same', 'different')
union all
select record_key_a, record_key_b, answer, said_by from pairs anti join told using (record_key_a, record_key_b)
