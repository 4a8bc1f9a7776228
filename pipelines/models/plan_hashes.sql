-- One row is one golden record as numbers: its key, the hash of what is always written, and which of the rest is filled.
select hash(golden_id) as golden_key, our_row, {{ hash_ours }} as compared, {{ bits_ours }} as filled
from ({{ ours }})
