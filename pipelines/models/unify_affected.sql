-- One row is one golden id that must be made anew: its records, references or pins are others than at the last build.
with
moved as (
    select p.golden_id, s.was_id
    from placed as p
    full join was as s using (record_key)
    where p.golden_id is distinct from s.was_id
        or p.row_hash is distinct from s.row_hash
        or p.matched_by is distinct from s.matched_by
)

select golden_id from moved where golden_id is not null
union
select was_id from moved where was_id is not null
{% for rule in moved_references %}
union
select p.golden_id
from {% if rule.is_list %}(select record_key, unnest({{ rule.name }}) as target from staged){% else %}(select record_key, {{ rule.name }} as target from staged){% endif %} as s
join placed as p using (record_key)
semi join moved_{{ rule.to }} as m on m.record_key = s.target
{% endfor %}
union
select golden_id from (
    (select golden_id, field, value from applied_pins except select {{ id }}, field, value from {{ plan.table("pins") }})
    union all
    (select {{ id }}, field, value from {{ plan.table("pins") }} except select golden_id, field, value from applied_pins)
)
