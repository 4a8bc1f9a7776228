-- One row is one source record with every column that identity can use, cleaned; columns the data lack are NULL.
{% macro text(name) %}{% if name in columns %}nullif(trim({{ name }}::varchar), ''){% else %}null::varchar{% endif %}{% endmacro %}
{% macro latin(name) %}{% if name in foreign %}coalesce({{ name }}_latin.ascii, {{ name }}){% else %}{{ name }}{% endif %}{% endmacro %}
with
given as (
    select
        record_key::varchar as record_key,
        {% for name in texts %}
        {{ text(name) }} as {{ name }},
        {% endfor %}
        {% for name in lists %}
        {% if name in columns %}{{ name }}{% else %}null::varchar[]{% endif %} as {{ name }}{{ "," if not loop.last }}
        {% endfor %}
    from {{ records }}
),

-- A whole name stands in where given and family name are missing: "Ann Lee", "Lee, Ann", or all of it in the given name.
whole as (
    select
        *,
        case
            when last_name is null and first_name is null then name
            when last_name is null and contains(first_name, ' ') then first_name
        end as whole_name
    from given
),

split as (
    select
        *,
        case
            when whole_name is null then first_name
            when contains(whole_name, ',') then trim(split_part(whole_name, ',', 2))
            when contains(trim_suffix(whole_name), ' ') then regexp_replace(trim_suffix(whole_name), '\s+\S+$', '')
            else whole_name
        end as given_writing,
        case
            when whole_name is null then last_name
            when contains(whole_name, ',') then trim(split_part(whole_name, ',', 1))
            when contains(trim_suffix(whole_name), ' ') then regexp_extract(trim_suffix(whole_name), '\S+$')
        end as family_writing,
        case
            when whole_name is null then name_suffix
            else coalesce(name_suffix, nullif(regexp_extract(whole_name, '(?i)[ ,]+(jr|sr|ii|iii|iv)\.?$', 1), ''))
        end as suffix_writing
    from whole
)

select
    record_key,
    given_writing,
    family_writing,
    middle_name,
    nickname,
    suffix_writing,
    clean_email(email) as email,
    {% if "emails" in columns %}
    list_distinct(list_filter(list_transform(list_concat([email], emails), lambda one: clean_email(one)), lambda one: one is not null))
    {% else %}null::varchar[]{% endif %} as emails,
    clean_phone(phone) as phone,
    {% if "phones" in columns %}
    list_distinct(list_filter(list_transform(list_concat([phone], phones), lambda one: clean_phone(one)), lambda one: one is not null))
    {% else %}null::varchar[]{% endif %} as phones,
    clean_company({{ latin("company") }}) as company,
    lower(strip_accents({{ latin("street") }})) as street_text,
    clean_words({{ latin("city") }}) as city,
    clean_postal(postal_code) as postal,
    clean_birth(birth_date) as birth,
    clean_number(national_id) as national_id
from split
{% for name in foreign %}
left join identity_ascii as {{ name }}_latin on {{ name }}_latin.value = {{ name }}
{% endfor %}
