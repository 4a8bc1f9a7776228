-- One row is one record in comparable form, with how many records have its values.
select
    r.*,
    {% for name in terms %}
    coalesce({{ name }}_terms.records, 1) as {{ name }}_records{{ "," if not loop.last }}
    {% endfor %}
from identity_records as r
{% for name in terms %}
left join {{ frequencies }} as {{ name }}_terms on {{ name }}_terms.kind = '{{ name }}' and {{ name }}_terms.value = r.{{ name }}
{% endfor %}
