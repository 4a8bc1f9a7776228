-- One row is one golden record that several sources tell of, or an edited one: for each field the place of its source and since when.
select
    golden_id as {{ id }},
    {% for r in rules %}
    ({{ places }} - ({{ (r.name ~ "__rank") | ident }} & {{ places }}))::uinteger as {{ (r.name ~ "__source") | ident }},
    '1970-01-01 00:00:00+00'::timestamptz + to_microseconds((
        nullif(({{ (r.name ~ "__rank") | ident }} >> 25) & 9223372036854775807, 0) - {{ epoch }}
    )::bigint) as {{ (r.name ~ "__since") | ident }},
    {% endfor %}
from merged
