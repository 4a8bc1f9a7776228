-- One row is one source record in its golden record: its place there, and how much its word counts (rank) before a field's own edits.
with
several as (
    select golden_id from members group by golden_id having count(*) > 1
),

-- Ties are decided by the declared order of sources, then by the record's key.
ordered as (
    select *, coalesce(list_position({{ connections | literals }}::varchar[], connection), 1000000) as source_place
    from members
),

together as (
    select
        o.*,
        row_number() over (partition by golden_id order by tier desc, source_place, record_key) as position,
        max(tier) over golden as highest_tier,
        count(*) filter (tier > 0) over golden as living,
    from ordered as o
    semi join several using (golden_id)
    window golden as (partition by golden_id)
),

alone as (
    select o.*, 1 as position, tier as highest_tier, (tier > 0)::bigint as living
    from ordered as o
    anti join several using (golden_id)
)

select
    record_key,
    golden_id,
    matched_by,
    values_hash,
    row_hash,
    tier,
    highest_tier,
    position,
    -- Deleted and frozen records have no say while others have.
    tier > 0 and tier = highest_tier as votes,
    living = 1 and tier > 0 and not is_edited as is_plain,
    coalesce((epoch_us(first_modified_at)::hugeint + {{ epoch }}) * {{ since_unit }}, 0) + {{ edit }} as rank,
    {{ places }} - position as place,
from (from together union all by name from alone)
