-- One row is one field of a golden record that an operator fixed, under the id that lives today.
select coalesce(d.to_id, p.golden_id) as golden_id, p.field, p.value, p.who, p.pinned_at
from pins as p
left join {{ redirects }} as d on d.from_id = p.golden_id
where p.field in ({% for r in rules %}{{ r.name | literal }}{{ ", " if not loop.last }}{% endfor %})
qualify row_number() over (partition by coalesce(d.to_id, p.golden_id), p.field order by p.pinned_at desc, p.golden_id) = 1
