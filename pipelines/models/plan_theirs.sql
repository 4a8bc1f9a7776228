-- One row is one source record of this CRM, with its golden id and the fields that may be written.
select
    s.golden_id,
    r.their_row,
    r.record_key,
    r.source_id,
    r.modified_at,
    r.values_hash,
    r.is_deleted,
    r.is_in_scope,
    {% for f in fields %}
    r.{{ f.name | ident }},
    {% if f.is_reference and f.is_list %}
    {{ (f.name ~ "_refs") | ident }}.ids as {{ (f.name ~ "__golden") | ident }},
    {% elif f.is_reference %}
    {{ (f.name ~ "_refs") | ident }}.{{ f.singular }}_id as {{ (f.name ~ "__golden") | ident }},
    {% endif %}
    {% endfor %}
    r.absent_fields,
    r.unreadable_fields,
from {{ records }} as r
join {{ owners }} as s on s.record_key = r.record_key
{% for f in fields if f.is_reference %}
{% if f.is_list %}
left join (
    select m.record_key, list_sort(list(distinct t.{{ f.singular }}_id)) as ids
    from (select record_key, unnest({{ f.name | ident }}) as member from {{ records }}) as m
    join {{ f.sources }} as t on t.record_key = m.member
    group by m.record_key
) as {{ (f.name ~ "_refs") | ident }} on {{ (f.name ~ "_refs") | ident }}.record_key = r.record_key
{% else %}
left join {{ f.sources }} as {{ (f.name ~ "_refs") | ident }}
    on {{ (f.name ~ "_refs") | ident }}.record_key = r.{{ f.name | ident }}
{% endif %}
{% endfor %}
