-- One row is two clusters after the merges of this round that may become one: what tied and parted them, put together.
with
-- Where nothing was merged, nothing ever will be.
unfinished as (
    select distinct l.component
    from identity_links as l
    semi join identity_merges as m on m.stays = l.a and m.goes = l.b
),

merged as (
    select stays as was, stays, records from identity_merges
    union all
    select goes as was, stays, records from identity_merges
),

renamed as (
    select
        l.component,
        coalesce(x.stays, l.a) as a,
        coalesce(y.stays, l.b) as b,
        coalesce(x.records, l.records_a) as records_a,
        coalesce(y.records, l.records_b) as records_b,
        l.pull,
        l.strongest,
        l.is_vetoed
    from identity_links as l
    semi join unfinished as u on u.component = l.component
    left join merged as x on x.was = l.a
    left join merged as y on y.was = l.b
)

select
    least(a, b) as a,
    greatest(a, b) as b,
    component,
    sum(pull)::bigint as pull,
    max(strongest) as strongest,
    bool_or(is_vetoed) as is_vetoed,
    any_value(case when a < b then records_a else records_b end) as records_a,
    any_value(case when a < b then records_b else records_a end) as records_b
from renamed
where a <> b
group by 1, 2, 3
