-- One row is two clusters after the merges of this round that may become one: what tied and parted them, put together.
with
-- Where nothing was merged, nothing ever will be.
unfinished as (
    select distinct l.component
    from identity_links as l
    semi join identity_merges as m on m.stays = l.a and m.goes = l.b
),

renamed as (
    select
        l.component,
        coalesce(x.stays, l.a) as a,
        coalesce(y.stays, l.b) as b,
        l.pull,
        l.strongest,
        l.is_vetoed
    from identity_links as l
    semi join unfinished as u on u.component = l.component
    left join identity_merges as x on x.goes = l.a
    left join identity_merges as y on y.goes = l.b
)

select
    least(a, b) as a,
    greatest(a, b) as b,
    component,
    sum(pull)::bigint as pull,
    max(strongest) as strongest,
    bool_or(is_vetoed) as is_vetoed
from renamed
where a <> b
group by 1, 2, 3
