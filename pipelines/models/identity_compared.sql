-- One row is two records and how far each comparison agrees; NULL: one of the two says nothing, which is evidence of nothing.
with
sides as (
    select
        p.a,
        p.b,
        {% for column in columns %}
        x.{{ column }} as a_{{ column }},
        y.{{ column }} as b_{{ column }},
        {% endfor %}
        {% for column in terms %}
        greatest(x.{{ column }}_records, y.{{ column }}_records) as {{ column }}_records,
        {% endfor %}
        p.email as email_people,
        p.phone as phone_people,
        p.address as address_people,
        p.national_id as national_id_people,
        n.name is not null as is_nickname
    from {{ pairs }} as p
    join {{ known }} as x on x.rid = p.a
    join {{ known }} as y on y.rid = p.b
    left join identity_nicknames as n on n.name = x.given and n.other = y.given
),

names_compared as (
    select
        *,
        case
            when a_given is null or b_given is null then null
            when length(a_given) = 1 or length(b_given) = 1
                then case when a_given[1] = b_given[1] then 'initial' else 'different' end
            when a_given = b_given then 'exact'
            when is_nickname or a_given = b_nick or b_given = a_nick then 'nickname'
            when is_swapped(a_given, a_family, b_given, b_family) or is_swapped(b_given, b_family, a_given, a_family) then 'swapped'
            when is_near(a_given, b_given) then 'near'
            when a_given = b_middle or b_given = a_middle then 'middle'
            when is_alike(a_given, b_given) then 'alike'
            else 'different'
        end as given_name,
        case
            when a_birth is null or b_birth is null then null
            when a_birth = b_birth then 'exact'
            when is_within(a_birth, b_birth, 1)
                or (a_birth[:4] = b_birth[:4] and a_birth[5:6] = b_birth[7:8] and a_birth[7:8] = b_birth[5:6]) then 'near'
            when (a_birth[:4] = b_birth[:4])::integer + (a_birth[5:6] = b_birth[5:6])::integer
                + (a_birth[7:8] = b_birth[7:8])::integer = 2 then 'part'
            when abs(a_birth_day - b_birth_day) <= 31 then 'month'
            when abs(a_birth_day - b_birth_day) <= 366 then 'year'
            else 'different'
        end as birth_date,
        case
            when a_national_id is null or b_national_id is null then null
            when a_national_id = b_national_id then 'exact'
            when is_within(a_national_id, b_national_id, 1) then 'near'
            else 'different'
        end as national_id
    from sides
),

-- The first guard: agreement on what a household shares never outweighs different given names.
gated as (
    select
        *,
        coalesce(
            given_name = 'different'
            and coalesce(birth_date not in ('exact', 'near'), true)
            and coalesce(national_id not in ('exact', 'near'), true),
            false
        ) as is_gated,
        -- one of the two says of nobody whose it is, nor of an organisation of its own
        (a_given is null and a_family is null and (a_company is null or a_company is not distinct from b_company))
        or (b_given is null and b_family is null and (b_company is null or a_company is not distinct from b_company))
            as is_nameless
    from names_compared
),

{% if only_decidable %}
-- Two given names and neither a mailbox nor a telephone in common: nobody would ask about them.
{% endif %}
decidable as (
    from gated
    {% if only_decidable %}
    where not is_gated or email_people is not null or phone_people is not null
    {% endif %}
),

-- Typing errors in what a guard has decided anyway are not looked for.
compared as (
    select
        a,
        b,
        {% for column in terms %}
        {{ column }}_records,
        {% endfor %}
        email_people,
        phone_people,
        address_people,
        national_id_people,
        is_gated,
        is_nameless,
        given_name,
        birth_date,
        national_id,
        case
            when a_family is null or b_family is null then null
            when a_family = b_family then 'exact'
            when is_swapped(a_given, a_family, b_given, b_family) or is_swapped(b_given, b_family, a_given, a_family) then 'swapped'
            when is_near(a_family, b_family) then 'near'
            when least(length(a_family), length(b_family)) >= 3 and (
                starts_with(a_family, b_family) or starts_with(b_family, a_family)
                or ends_with(a_family, b_family) or ends_with(b_family, a_family)
            ) and not is_made_up(a_family || b_family) then 'part'
            when is_alike(a_family, b_family) then 'alike'
            else 'different'
        end as family_name,
        case
            when a_middle is null or b_middle is null then null
            when a_middle = b_middle then 'exact'
            when a_middle[1] = b_middle[1] then 'initial'
            else 'different'
        end as middle_name,
        case
            when a_company is null or b_company is null then null
            when a_company = b_company then 'exact'
            else 'different'
        end as company,
        case
            when a_generation is null and b_generation is null then null
            when a_generation = b_generation then 'exact'
            when a_generation <> b_generation then 'different'
            else 'one'
        end as generation,
        case
            when email_people = 1 then 'exact'
            when email_people > 1 then 'shared'
            when a_email is null or b_email is null or a_email = b_email then null
            when a_is_public_mail and b_is_public_mail
                then case
                    when not is_gated and a_email_digits = b_email_digits and split_part(a_email, '@', 2) = split_part(b_email, '@', 2)
                        and is_near_email(a_email, b_email)
                        then 'near'
                    else 'different'
                end
            when not is_gated and a_email_digits = b_email_digits and is_near_email(a_email, b_email) then 'near'
            else 'other'
        end as email,
        case
            when phone_people = 1 then 'exact'
            when phone_people > 1 then 'shared'
            when a_phone is null or b_phone is null or a_phone = b_phone then null
            when not is_gated and is_near_number(a_phone, b_phone) then 'near'
            else 'different'
        end as phone,
        case
            when address_people is not null
                or (a_street = b_street and a_house is not distinct from b_house and (a_postal = b_postal or a_city = b_city))
                then case when a_unit <> b_unit then 'building' else 'exact' end
            when not is_gated and a_street is not null and b_street is not null and a_house is not distinct from b_house
                and (a_postal = b_postal or a_city = b_city) and jaro_winkler_similarity(a_street, b_street) > 0.85 then 'near'
            when a_street is null or b_street is null
                then case
                    when a_postal = b_postal then 'area'
                    when a_postal is null or b_postal is null
                        then case when a_city = b_city or (not is_gated and is_near(a_city, b_city)) then 'town'
                            when a_city <> b_city then 'other_town' end
                    when a_city = b_city then 'area_city'
                    else 'other_area'
                end
            when a_house = b_house and a_street = b_street then 'street'
            when a_postal = b_postal then 'postal'
            when a_city = b_city or (not is_gated and is_near(a_city, b_city)) then 'city'
            else 'different'
        end as place
    from decidable
)

from compared
