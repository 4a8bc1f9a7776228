-- One row is one golden record that people deleted in another CRM: all of it there, after it had been seen there.
with
others as (
    select
        s.{{ singular }}_id as golden_id,
        s.connection,
        r.is_deleted,
        r.seen_at,
        r.is_deleted and r.seen_at > r.first_seen_at and a.record_key is null as is_told,
    from {{ sources }} as s
    join staging.{{ entity | ident }} as r on r.record_key = s.record_key
    left join (select distinct record_key from plan_archived) as a on a.record_key = s.record_key
    where s.connection <> {{ connection | literal }}
),

gone as (
    select golden_id, connection, max(seen_at) filter (is_told) as deleted_at
    from others
    group by golden_id, connection
    having bool_and(is_deleted) and bool_or(is_told)
)

select golden_id, arg_max(connection, deleted_at) as deleted_in, max(deleted_at) as deleted_at
from gone
group by golden_id
