-- One row is one field of one record in the plan: what would be written, or why not.
with
wanted as (
    select
        case when is_link then 'link' else 'update' end as action,
        golden_id, record_key, source_id, modified_at, values_hash, field, old, new, since, source,
        theirs_since, keeper, is_conflict, left_because, null::varchar as waits,
    from plan_verdicts
    where record_key not in (select record_key from plan_archives where left_because is null)
    {% if creates %}
    union all
    select
        case when is_link then 'link' else 'create' end as action,
        golden_id, null, null, null, null, field, null, new, since, source, null, 'latest', false, null, waits,
    from plan_created_fields
    -- a record of which the CRM takes no field is not made, and nothing is related to it
    where golden_id in (select golden_id from plan_created_fields where not is_link)
    {% endif %}
    union all
    select
        'archive', golden_id, record_key, source_id, modified_at, values_hash, '', null, null, deleted_at, deleted_in,
        null, 'latest', false, left_because, null,
    from plan_archives
),

marked as (
    select
        action, golden_id, record_key,
        md5(string_agg(field || '=' || coalesce(new, ''), chr(31) order by field)) as fingerprint,
        dense_rank() over (order by golden_id) as place,
    from wanted
    where left_because is null
    group by action, golden_id, record_key
),

judged as (
    select
        m.*,
        u.status,
        u.error,
        u.next_attempt_at,
        u.attempt as tried,
        u.fingerprint = m.fingerprint as is_same,
    from marked as m
    left join plan_unfinished as u
        on u.golden_id = m.golden_id and u.action = m.action and coalesce(u.record_key, '') = coalesce(m.record_key, '')
)

select
    {{ connection | literal }} as connection,
    {{ entity | literal }} as entity,
    w.action as wanted,
    case
        when w.left_because is not null then 'none'
        when {{ paused | literal }} is not null then 'blocked'
        when w.waits is not null then 'blocked'
        when w.source_id in (select source_id from plan_never) then 'blocked'
        when {{ not_in_pilot }} then 'blocked'
        when j.status in ('open', 'uncertain') then 'blocked'
        when j.status = 'dead' and j.is_same then 'blocked'
        when j.status = 'failed' and j.is_same and j.next_attempt_at > {{ now }} then 'blocked'
        else w.action
    end as action,
    case
        when w.left_because is not null then w.left_because
        when {{ paused | literal }} is not null then 'paused: ' || {{ paused | literal }}
        when w.waits is not null then w.waits
        when w.source_id in (select source_id from plan_never)
            then 'never synced: ' || (select any_value(n.why) from plan_never as n where n.source_id = w.source_id)
        when {{ not_in_pilot }} then 'not in the pilot'
        when j.status = 'open' then 'its last write is not settled yet'
        when j.status = 'uncertain' then 'nobody knows whether it was written; see crosswalk failures'
        when j.status = 'dead' and j.is_same then 'given up after ' || j.tried || ' tries: ' || coalesce(j.error, '')
        when j.status = 'failed' and j.is_same and j.next_attempt_at > {{ now }}
            then 'failed; next try at ' || strftime(j.next_attempt_at, '%Y-%m-%d %H:%M:%S') || ' UTC'
        when w.action = 'archive' then 'deleted in ' || w.source
        when w.action = 'create' then 'not in this CRM'
        when w.old is null or w.old = '[]' then 'empty there'
        when w.keeper = 'here' and w.theirs_since > coalesce(w.since, '-infinity') then 'edited there; the field is ours'
        else 'differs'
    end as why,
    w.golden_id, w.record_key, w.source_id, w.field, w.old, w.new, w.since, w.source, w.theirs_since, w.keeper,
    w.is_conflict, w.modified_at, w.values_hash,
    coalesce(j.fingerprint, '') as fingerprint,
    case when j.status = 'failed' and j.is_same then j.tried + 1 else 1 end::integer as attempt,
    coalesce(j.place, 0) as place,
    null::varchar as golden,
from wanted as w
left join judged as j
    on j.action = w.action and j.golden_id = w.golden_id and j.record_key is not distinct from w.record_key
    and w.left_because is null
order by place, wanted, record_key, field
