-- One row is one record under a key that holds it together with others; a key of several names, or one that a connection uses twice where records are never merged inside one, holds nobody together.
with
held as (
    select k.record_key, k.rule, k.value, k.who, s.connection
    from keys as k
    join staged as s using (record_key)
),

usable as (
    select rule, value, row_number() over (order by rule, value) as key
    from held
    group by rule, value
    having count(distinct record_key) > 1
        and count(distinct who) <= 1
        {% if one_per_connection %}
        and count(distinct record_key) = count(distinct connection)
        {% endif %}
)

select h.record_key, h.rule, h.value, u.key
from held as h
join usable as u on u.rule = h.rule and u.value = h.value
group by all
