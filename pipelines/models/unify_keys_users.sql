-- One row is one way to recognise a user: the e-mail address, and the name of who carries it.
select
    record_key,
    'email' as rule,
    lower(trim(email)) as value,
    nullif(regexp_replace(strip_accents(lower(coalesce(first_name || last_name, name))), '[^\p{L}]+', '', 'g'), '') as who,
from staged
where contains(email, '@')
