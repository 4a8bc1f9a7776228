-- One row is one way to recognise a property: its address with the unit, or its listing number, and the house it is.
with
written as (
    select
        record_key,
        listing_id,
        unit_number,
        coalesce(postal_code, city, '') as area,
        strip_accents(lower(coalesce(street_number || ' ' || street_name, split_part(address, ',', 1)))) as line,
    from staged
),

-- "Unit 2, 14 High St", "2/14 High Street" and "14 High St #2" are unit 2 of 14 high street.
split as (
    select
        *,
        regexp_extract(line, '(?:#|\b(?:flat|unit|apt|apartment|suite|ste)\.? *#?)([0-9a-z-]+)$', 1) as unit_after,
    from (select * replace (regexp_replace(line, '^(flat|unit|apt|apartment|suite|lot)\.? *#?([0-9]+[a-z]?)[,/ ]+([0-9])', '\2/\3') as line) from written)
),

addressed as (
    select
        record_key,
        listing_id,
        lower(coalesce(unit_number, nullif(unit_after, ''), nullif(regexp_extract(line, '^([0-9]+[a-z]?)/', 1), ''), '')) as unit,
        regexp_replace(regexp_replace(line, '^[0-9]+[a-z]?/', ''), '(#|\b(flat|unit|apt|apartment|suite|ste)\.? *#?)[0-9a-z-]+$', '') as line,
        lower(regexp_replace(area, '[^\p{L}\p{N}]', '', 'g')) as area,
    from split
),

-- Kinds of street are left out: they are abbreviated, and forgotten, at will.
plain as (
    select
        *,
        array_to_string(list_filter(string_split_regex(line, '[^\p{L}\p{N}]+'), lambda word: word not in (
            '', 'st', 'street', 'rd', 'road', 'ave', 'av', 'avenue', 'dr', 'drive', 'ln', 'lane', 'ct', 'court', 'blvd',
            'boulevard', 'pl', 'place', 'ter', 'terrace', 'cres', 'crescent', 'hwy', 'highway', 'pde', 'parade', 'cl',
            'close', 'way', 'cir', 'circle', 'pkwy', 'parkway')), ' ') as street,
    from addressed
)

select record_key, 'address' as rule, street || '|' || unit || '|' || area as value, null::varchar as who
from plain
where regexp_matches(street, '^[0-9]+[a-z]? .') and area <> ''
union all
select record_key, 'listing', upper(regexp_replace(listing_id, '[^\p{L}\p{N}]', '', 'g')), nullif(street || '|' || unit, '|')
from plain
where length(regexp_replace(listing_id, '[^\p{L}\p{N}]', '', 'g')) >= 5
