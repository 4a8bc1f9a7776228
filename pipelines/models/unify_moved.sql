-- One row is one source record that belongs to another golden record than before, or whose golden record came to life or went.
with
lived as (
    select s.record_key, s.was_id as golden_id
    from was as s
    semi join before as b on b.{{ id }} = s.was_id
    semi join affected as a on a.golden_id = s.was_id
),

becomes as (
    select record_key, golden_id from placed where highest_tier > 0
)

select record_key from (
    (from lived except from becomes) union all (from becomes except from lived)
)
group by record_key
