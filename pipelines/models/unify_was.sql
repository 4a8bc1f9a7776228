-- One row is one source record as it was placed at the last build, and the place of its row there.
select s.record_key, s.{{ id }} as was_id, s.row_hash, s.matched_by, s.rowid as row_number
from {{ plan.table("sources") }} as s
{% if is_narrowed %}
semi join anew on anew.record_key = s.record_key
{% endif %}
