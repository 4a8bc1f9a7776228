-- One row is one field of a golden record that an operator fixed, and its value as JSON.
select golden_id as {{ id }}, field, value, who, pinned_at from applied_pins
