-- One row is one golden record that this CRM lacks and, by the create policy, is to be given; waits: why it is not given
-- yet. It lacks what the CRM takes no record without, or points at what is not there.
with
presence as (
    select
        {{ singular }}_id as golden_id,
        bool_or(connection = {{ connection | literal }}) as is_there,
        bool_or(not is_deleted and is_in_scope and connection <> {{ connection | literal }}) as is_elsewhere,
        bool_or(
            not is_deleted and is_in_scope and connection not in ({{ connection | literal }}, 'local')
        ) as is_linked,
    from {{ sources }}
    group by all
)

select
    g.{{ singular }}_id as golden_id,
    {% if not (requires or needed) %}
    null::varchar as waits,
    {% else %}
    case
        {% for name in requires %}
        when g.{{ name | ident }} is null then {{ ("this CRM takes none without " ~ name) | literal }}
        {% endfor %}
        {% if needed %}
        when g.rowid not in (
            select r.our_row
            from (
                select
                    n.rowid as our_row,
                    n.* replace (
                        {% for f in needed %}
                        {{ (f.name ~ "_refs") | ident }}.golden_id as {{ f.name | ident }}{{ "," if not loop.last }}
                        {% endfor %}
                    ),
                from {{ golden }} as n
                {% for f in needed %}
                left join plan_reachable as {{ (f.name ~ "_refs") | ident }}
                    on {{ (f.name ~ "_refs") | ident }}.entity = {{ f.to | literal }}
                    and {{ (f.name ~ "_refs") | ident }}.golden_id = n.{{ f.name | ident }}
                {% endfor %}
            ) as r
            where {{ condition or "true" }}{% for name in requires %} and r.{{ name | ident }} is not null{% endfor %}
        ) then 'waits for what it points at, which is not in this CRM'
        {% endif %}
    end as waits,
    {% endif %}
from {{ golden }} as g
join presence as p on p.golden_id = g.{{ singular }}_id
where
    not p.is_there
    and {{ "p.is_linked" if policy == "linked" else "p.is_elsewhere" }}
    and g.{{ singular }}_id not in (select golden_id from plan_created)
    and g.{{ singular }}_id not in (select golden_id from plan_deleted)
    {% if condition %}
    and ({{ condition }})
    {% endif %}
    {% if key %}
    -- whoever has its key there is somebody else: it would be found, and passed over, at every run
    and g.{{ singular }}_id not in (
        select k.golden_id
        from (
            select {{ singular }}_id as golden_id, unnest({{ key }}) as one from {{ golden }}
        ) as k
        join (
            {% for held in holding %}
            select unnest({{ held }}) as one from {{ staging }} where not is_deleted
            {{ "union all" if not loop.last }}
            {% endfor %}
        ) as t on lower(t.one::varchar) = lower(k.one::varchar)
    )
    {% endif %}
