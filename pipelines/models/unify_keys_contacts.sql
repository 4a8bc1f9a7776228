-- One row is one way to recognise a contact: an e-mail address or telephone number, and the name of who carries it.
with
named as (
    select
        record_key,
        nullif(regexp_replace(strip_accents(lower(coalesce(first_name || last_name, name))), '[^\p{L}]+', '', 'g'), '') as who,
        [email] || coalesce(emails, []) as emails,
        [phone] || coalesce(phones, []) as phones,
    from staged
),

carried as (
    select distinct record_key, 'email' as rule, lower(trim(unnest(emails))) as value, who from named
    union all
    select distinct record_key, 'phone', split_part(unnest(phones), ';', 1), who from named
),

-- A role is many people; a placeholder is nobody.
judged as (
    select *, split_part(split_part(value, '@', 1), '+', 1) as mailbox, split_part(value, '@', 2) as domain
    from carried
    where value is not null
)

select record_key, rule, value, who
from judged
where case rule
    when 'email' then domain <> ''
        and mailbox not in (
            'info', 'sales', 'office', 'admin', 'contact', 'hello', 'support', 'team', 'mail', 'enquiries', 'reception',
            'accounts', 'billing', 'help', 'service', 'noreply', 'no-reply', 'none', 'na', 'test', 'unknown', 'nobody',
            'noemail', 'no-email', 'x', 'xx', 'abc', 'asdf')
        and domain not in ('none.com', 'test.com', 'example.com', 'na.com', 'noemail.com', 'email.com', 'unknown.com')
    else length(value) >= 8
        and not regexp_matches(value, '(0{7}|1{7}|2{7}|3{7}|4{7}|5{7}|6{7}|7{7}|8{7}|9{7}|5550000|1234567|12345678)$')
    end
