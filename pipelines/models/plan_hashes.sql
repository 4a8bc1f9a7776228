-- One row is one golden record as one number: the hash of what is always written, and which of the rest is filled.
select golden_id, our_row, {{ hash_ours }} as compared, {{ bits_ours }} as filled
from ({{ ours }})
