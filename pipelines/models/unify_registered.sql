-- One row is one record whose golden id is new or another than before, also of those that are staged no more.
with
follows as (
    select r.record_key, t.to_id as golden_id, r.since, r.rowid as registry_row
    from {{ registry }} as r
    join redirected as t on t.from_id = r.golden_id
),

-- Records not staged now follow their id where it was redirected.
elsewhere as (
    from follows anti join (select s.record_key from staged as s semi join follows using (record_key)) using (record_key)
)

select record_key, golden_id, since, registry_row
from members
where registered_id is distinct from golden_id
union all
select record_key, golden_id, since, registry_row from elsewhere
