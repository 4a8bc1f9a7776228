-- One row is one source record in the form in which records are compared.
with
named as (
    select
        i.*,
        coalesce(g.first_word, n.first_word) as given,
        coalesce(m.first_word, g.other_words) as middle,
        f.joined as family,
        n.first_word as nick,
        coalesce(s.generation, f.generation, g.generation) as generation
    from identity_input as i
    left join identity_names as g on g.writing = i.given_writing
    left join identity_names as f on f.writing = i.family_writing
    left join identity_names as m on m.writing = i.middle_name
    left join identity_names as n on n.writing = i.nickname
    left join identity_names as s on s.writing = i.suffix_writing
),

-- "Flat 2, 14 High St", "2/14 High Street", "14 High St #2": unit 2 of number 14.
read as (
    select
        *,
        regexp_extract(
            street_text,
            '^(?:(?:flat|unit|apt|apartment|suite|ste|lot|level)\.? *#?([0-9]+[a-z]?|[a-z])[,/ ]+)?(?:([0-9]+[a-z]?) */ *)?([0-9]+[a-z]?)(?:-[0-9]+)?,? +(.*?)(?:,? *(?:apartment|apt|unit|suite|ste|flat|rm|room|#)\.? *#?([0-9a-z-]+))?$',
            ['before', 'slash', 'house', 'rest', 'after']
        ) as parts
    from named
),

placed as (
    select
        * exclude (parts, street_text),
        nullif(parts.house, '') as house,
        coalesce(nullif(parts.before, ''), nullif(parts.slash, ''), nullif(parts.after, '')) as unit,
        clean_street(case when parts.house <> '' then parts.rest else street_text end) as street
    from read
)

select
    hash(record_key) as rid,
    record_key,
    given,
    coalesce(r.formal, given)[1] as initial,
    nick,
    middle,
    family,
    generation,
    case when given is not null and family is not null then least(given, family) || ' ' || greatest(given, family) end as full_name,
    email,
    emails,
    split_part(email, '@', 1) as mailbox,
    case when regexp_matches(email, '[0-9]') then regexp_replace(email, '[^0-9]+', '', 'g') when email is not null then '' end as email_digits,
    list_contains({{ public_mail | sql_list }}, split_part(email, '@', 2)) as is_public_mail,
    phone,
    phones,
    company,
    house,
    street,
    unit,
    postal,
    city,
    coalesce(house, '') || ' ' || street || ' ' || coalesce(postal, city) as address,
    birth,
    try_strptime(birth, '%Y%m%d')::date as birth_day,
    national_id
from placed as p
left join identity_formal_names as r on r.name = p.given
