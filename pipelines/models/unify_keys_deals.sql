-- One row is one way to recognise a deal: its property and a party, or its name, amount and a party.
with
parties as (
    select d.record_key, m.golden_id as party
    from (select record_key, unnest(contact_ids) as contact_key from staged) as d
    join map_contacts as m on m.record_key = d.contact_key
    group by all
),

places as (
    select
        d.record_key,
        coalesce(
            m.golden_id,
            upper(d.listing_id),
            nullif(regexp_replace(strip_accents(lower(d.property_address)), '[^\p{L}\p{N}]+', ' ', 'g'), '')
        ) as place,
        nullif(regexp_replace(strip_accents(lower(d.name)), '[^\p{L}\p{N}]+', ' ', 'g'), '') as title,
        d.amount,
    from staged as d
    left join map_properties as m on m.record_key = d.property_id
)

select record_key, 'property and party' as rule, place || '|' || party as value, null::varchar as who
from places
join parties using (record_key)
where place is not null
union all
select record_key, 'name, amount and party', title || '|' || amount || '|' || party, null
from places
join parties using (record_key)
where title is not null and amount > 0
