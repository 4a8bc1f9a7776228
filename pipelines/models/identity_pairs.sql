-- One row is two records that share a key of any rule, with how many people carry the identifiers they share.
select
    a,
    b,
    {% for name in identifiers %}
    min({{ name }}) as {{ name }}{{ "," if not loop.last }}
    {% endfor %}
from identity_raw_pairs
group by a, b
