-- One row is one source record and the cluster it belongs to: records of one cluster are one person, property, deal or user.
with
{% if one_per_connection %}
-- Never two of one connection: a chain of keys that says so is not believed.
believed as (
    select l.record_key, l.label
    from labels as l
    join (
        select label
        from labels
        join staged using (record_key)
        group by label
        having count(*) = count(distinct connection)
    ) using (label)
),

{% else %}
believed as (
    select record_key, label from labels
),

{% endif %}
reasons as (
    select record_key, string_agg(distinct rule, ', ' order by rule) as matched_by from shared_keys group by record_key
)

select s.record_key, coalesce(b.label, s.record_key) as cluster, case when b.label is not null then r.matched_by end as matched_by
from staged as s
left join believed as b using (record_key)
left join reasons as r using (record_key)
