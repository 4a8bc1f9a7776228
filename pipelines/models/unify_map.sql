-- One row is one source record and its golden record, where that one lives: what references are translated with.
select s.record_key, s.{{ id }} as golden_id, s.connection
from {{ plan.table("sources") }} as s
semi join unified.{{ entity }} as g on g.{{ id }} = s.{{ id }}
