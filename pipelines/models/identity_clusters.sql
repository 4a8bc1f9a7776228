-- One row is one source record, the cluster it belongs to (named by the smallest record key in it), and its strongest tie.
with
placed as (
    select k.record_key, k.rid, coalesce(m.cluster, k.rid) as place
    from {{ known }} as k
    left join identity_members as m on m.rid = k.rid
    {% if scope %}
    semi join {{ scope }} as s on s.rid = k.rid
    {% endif %}
),

named as (
    select place, min(record_key) as cluster
    from placed
    group by place
),

ends as (
    select a as rid, b as other, bits from {{ matches }} where decision = 'match'
    union all
    select b as rid, a as other, bits from {{ matches }} where decision = 'match'
),

strongest as (
    select e.rid, max({'bits': e.bits, 'other': e.other}).other as other
    from ends as e
    join identity_members as x on x.rid = e.rid
    join identity_members as y on y.rid = e.other and y.cluster = x.cluster
    group by e.rid
),

-- What a tie rests on is a long text: it is looked up for the strongest alone.
ties as (
    select s.rid, m.evidence
    from strongest as s
    join {{ matches }} as m on m.a = least(s.rid, s.other) and m.b = greatest(s.rid, s.other)
)

select
    p.record_key,
    n.cluster,
    t.evidence as matched_by,
    p.rid,
    coalesce(c.component, p.rid) as component
from placed as p
join named as n on n.place = p.place
left join ties as t on t.rid = p.rid
left join identity_components as c on c.rid = p.rid
