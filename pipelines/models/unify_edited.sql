-- One row is one source record with an edit since its first version, and a hash of all its edits.
select record_key, bit_xor(hash(field, edited_at, is_echo)) as edits_hash
from edits
group by record_key
