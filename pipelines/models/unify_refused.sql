-- One row is one founder whose id is taken: by another record, by a redirect, or by a founder before it.
select founder from named semi join {{ registry }} as r on r.golden_id = named.golden_id
union
select founder from named semi join {{ redirects }} as d on d.from_id = named.golden_id
union
select founder from named qualify row_number() over (partition by golden_id order by attempt, founder) > 1
