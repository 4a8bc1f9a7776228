-- One row is one record under a key that holds it together with others; a key of several names, or one that a connection uses twice where records are never merged inside one, holds nobody together.
with
held as (
    select k.record_key, k.rule, k.value, k.who, s.connection
    from keys as k
    join staged as s using (record_key)
),

usable as (
    select rule, value
    from held
    group by rule, value
    having count(distinct record_key) > 1
        and count(distinct who) <= 1
        {% if one_per_connection %}
        and count(distinct record_key) = count(distinct connection)
        {% endif %}
),

told as (
    select unnest([record_key_a, record_key_b]) as record_key, 'known' as rule, record_key_a || ' ' || record_key_b as value
    from answers
    where answer = 'same'
),

shared as (
    select h.record_key, h.rule, h.value from held as h join usable using (rule, value)
    union
    select t.record_key, t.rule, t.value from told as t semi join staged using (record_key)
)

select record_key, rule, value, hash(rule, value) as key
from shared
