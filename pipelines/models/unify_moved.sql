-- One row is one source record that belongs to another golden record than before, or whose golden record came to life or went.
with
was as (
    select s.record_key, s.{{ id }} as golden_id
    from {{ plan.table("sources") }} as s
    semi join before as b on b.{{ id }} = s.{{ id }}
    semi join affected as a on a.golden_id = s.{{ id }}
),

becomes as (
    select record_key, golden_id from placed where highest_tier > 0
)

select record_key from (
    (from was except from becomes) union all (from becomes except from was)
)
group by record_key
