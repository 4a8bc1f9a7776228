"""Cleaning functions, as DuckDB macros: a value in, the form in which it is compared out, NULL if it is none."""

from __future__ import annotations

import re

import duckdb

from pipelines.unify.identity.vocabulary import sql_list, sql_text, vocabulary

DATES = "['%m/%d/%Y', '%d/%m/%Y', '%d.%m.%Y', '%Y/%m/%d', '%d %b %Y', '%b %d, %Y', '%d-%m-%Y']"
"""Writings of a date besides ISO 8601; of two that fit the first is taken."""


def _email() -> str:
    """Gmail ignores dots, and everyone's "+tag" is a filing aid: both are left out, for comparison only."""
    words = vocabulary()
    mailboxes = "|".join(sorted(re.escape(str(word)) for word in words["role_mailboxes"] + words["no_mailboxes"]))
    domains = "|".join(sorted(re.escape(str(word)) for word in words["no_domains"]))
    nobody = sql_text(f"^({mailboxes})(\\+[^@]*)?@|@({domains})$|^[^@]*$|^@|@[^.]*$")
    low = "lower(trim(x))"
    mailbox = f"split_part(split_part({low}, '@', 1), '+', 1)"
    return f"""case
        when regexp_matches({low}, {nobody}) then null
        when ends_with({low}, '@gmail.com') or ends_with({low}, '@googlemail.com')
            then replace({mailbox}, '.', '') || '@gmail.com'
        when contains({low}, '+') then {mailbox} || '@' || split_part({low}, '@', 2)
        else {low}
    end"""


def _cleaners() -> dict[str, str]:
    words = vocabulary()
    digits = "regexp_replace(split_part(x, ';', 1), '[^0-9+]', '', 'g')"
    nobody = sql_list(words["no_numbers"])
    tokens = "string_split_regex(lower(strip_accents(x)), '[^\\p{L}\\p{N}]+')"
    return {
        "clean_email(x)": _email(),
        "clean_phone(x)": f"""case
            when regexp_full_match(x, '\\+[0-9]{{8,15}}')
                then case when not list_contains({nobody}, right(x, 7)) then x end
            when length({digits}) >= 8 and not list_contains({nobody}, right({digits}, 7)) then {digits}
        end""",
        "clean_words(x)": f"nullif(array_to_string({tokens}, ''), '')",
        "clean_company(x)": f"""nullif(array_to_string(list_filter({tokens},
            lambda word: not list_contains({sql_list(words["company_words"])}, word)), ''), '')""",
        "clean_street(x)": f"""nullif(array_to_string(list_filter(string_split_regex(x, '[^\\p{{L}}\\p{{N}}]+'),
            lambda word: not list_contains({sql_list(words["street_words"])}, word)), ''), '')""",
        "clean_postal(x)": """nullif(ltrim(case
            when regexp_full_match(x, '[0-9]{5}-[0-9]{4}') then x[:5]
            else upper(regexp_replace(x, '[^\\p{L}\\p{N}]', '', 'g'))
        end, '0'), '')""",
        "clean_number(x)": "nullif(upper(regexp_replace(x, '[^\\p{L}\\p{N}]', '', 'g')), '')",
        "clean_birth(x)": f"""nullif(list_filter([coalesce(
            strftime(try_cast(x as date), '%Y%m%d'),
            strftime(try_strptime(x, {DATES}), '%Y%m%d'),
            regexp_extract(x, '^[0-9]{{8}}$')
        )], lambda day: not list_contains({sql_list(words["no_birth_dates"])}, day))[1], '')""",
        "clean_line(x)": """(with line as (select split_part(regexp_replace(lower(strip_accents(x)),
                '^(apartment|apt|unit|suite|ste|flat)\\.? *#?[0-9]+[a-z]?[,/ ]+([0-9])', '\\2'), ',', 1) as text)
            select nullif(trim(concat_ws(' ', regexp_extract(text, '([0-9]+[a-z]?)(-[0-9]+)? ', 1),
                clean_street(regexp_extract(
                    text, '[0-9]+[a-z]?(?:-[0-9]+)? +(.*?)(?:,? *(?:apartment|apt|unit|suite|ste|flat|#).*)?$', 1
                )))), '')
            from line)""",
        "clean_unit(x)": """coalesce(
            nullif(regexp_extract(lower(x),
                '(?:\\b(?:apartment|apt|unit|suite|ste|flat)\\b|#)\\.? *#?([0-9a-z-]+)', 1), ''),
            nullif(regexp_extract(lower(x), '^([0-9]+[a-z]?)/[0-9]', 1), ''))""",
        "trim_suffix(x)": r"regexp_replace(x, '(?i)[ ,]+(jr|sr|ii|iii|iv)\.?$', '')",
    }


def _comparisons() -> dict[str, str]:
    return {
        # At most so many letters wrong or exchanged. An exchange is two edits to the plain distance, which costs a
        # seventh of the one that knows exchanges: that is asked only where it decides.
        "is_within(x, y, edits)": """case
            when levenshtein(x, y) <= edits then true
            when levenshtein(x, y) > 2 * edits then false
            else damerau_levenshtein(x, y) <= edits
        end""",
        # Nobody has a digit in the name: where there is one, a program made the name, and no letter of it is wrong.
        "is_made_up(x)": "regexp_matches(x, '[0-9]')",
        # One letter wrong, or two in a long word. The first or the last letter is right: that is seen at no cost.
        "is_near(x, y)": """case
            when (ascii(x) = ascii(y) or right(x, 1) = right(y, 1)) and abs(length(x) - length(y)) <= 2
                and least(length(x), length(y)) >= 3
                then is_within(x, y, case when greatest(length(x), length(y)) >= 7 then 2 else 1 end)
                    and not is_made_up(x)
            else false
        end""",
        "is_alike(x, y)": """case
            when ascii(x) = ascii(y) then jaro_winkler_similarity(x, y) >= 0.88 and not is_made_up(x)
            else false
        end""",
        # One's given name is the other's family name, and what is left does not speak against it.
        "is_swapped(given, family, other_given, other_family)": """case
            when given = other_family and length(given) > 1
                then coalesce(family = other_given or is_near(family, other_given), true)
            else false
        end""",
        # Addresses that differ in a letter. In the first letter: two of one family; in dots or in who hosts the mail:
        # nothing but the same name again. (In a number: two people of one name; the caller compares those.)
        "is_near_email(x, y)": """case
            when ascii(x) = ascii(y) and abs(length(x) - length(y)) <= 2 and least(length(x), length(y)) >= 12
                and jaro_winkler_similarity(x, y) >= 0.9
                then replace(x, '.', '') <> replace(y, '.', '')
                    and is_within(replace(x, '.', ''), replace(y, '.', ''), 2)
            else false
        end""",
        "is_near_number(x, y)": """case
            when abs(length(x) - length(y)) <= 1 and (x[:7] = y[:7] or right(x, 5) = right(y, 5))
                then x <> y and is_within(x, y, 1)
            else false
        end""",
    }


def make_macros(con: duckdb.DuckDBPyConnection) -> None:
    """Define the cleaning functions in the connection (temporary: they are not stored in its file)."""
    for signature, body in {**_cleaners(), **_comparisons()}.items():
        con.execute(f"create or replace temp macro {signature} as {body}")
