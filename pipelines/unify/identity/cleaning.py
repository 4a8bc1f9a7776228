"""Cleaning functions, as DuckDB macros: one value in, the form in which it is compared out, NULL where it says nothing."""

from __future__ import annotations

import duckdb

from pipelines.unify.identity.vocabulary import sql_list, vocabulary

def _email() -> str:
    lowered = "lower(trim(x))"
    mailbox = f"split_part(split_part({lowered}, '@', 1), '+', 1)"
    domain = f"replace(split_part({lowered}, '@', 2), 'googlemail.com', 'gmail.com')"
    return f"""case
        when not contains(x, '@') or {mailbox} = '' or not contains({domain}, '.') then null
        when list_contains({sql_list(vocabulary()["role_mailboxes"] + vocabulary()["no_mailboxes"])}, {mailbox}) then null
        when list_contains({sql_list(vocabulary()["no_domains"])}, {domain}) then null
        when {domain} = 'gmail.com' then replace({mailbox}, '.', '') || '@gmail.com'
        else {mailbox} || '@' || {domain}
    end"""


def _macros() -> dict[str, str]:
    words = vocabulary()
    digits = "regexp_replace(split_part(x, ';', 1), '[^0-9+]', '', 'g')"
    tokens = "string_split_regex(lower(strip_accents(x)), '[^\\p{L}\\p{N}]+')"
    return {
        "clean_email(x)": _email(),
        "clean_phone(x)": f"""case
            when length({digits}) < 8 or list_contains({sql_list(words["no_numbers"])}, right({digits}, 7)) then null
            else {digits}
        end""",
        "clean_words(x)": "nullif(array_to_string(string_split_regex(lower(strip_accents(x)), '[^\\p{L}\\p{N}]+'), ''), '')",
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
            strftime(try_strptime(x, ['%m/%d/%Y', '%d/%m/%Y', '%d.%m.%Y', '%Y/%m/%d', '%d %b %Y', '%b %d, %Y', '%d-%m-%Y']), '%Y%m%d'),
            regexp_extract(x, '^[0-9]{{8}}$')
        )], lambda day: not list_contains({sql_list(words["no_birth_dates"])}, day))[1], '')""",
        "trim_suffix(x)": r"regexp_replace(x, '(?i)[ ,]+(jr|sr|ii|iii|iv)\.?$', '')",
        # One letter wrong, or two in a long word.
        "is_near(x, y)": """least(length(x), length(y)) >= 3 and abs(length(x) - length(y)) <= 2 and case
            when greatest(length(x), length(y)) >= 7 then damerau_levenshtein(x, y) <= 2
            else damerau_levenshtein(x, y) = 1
        end""",
        # One's given name is the other's family name, and what is left does not speak against it.
        "is_swapped(given, family, other_given, other_family)": """given = other_family and length(given) > 1
            and coalesce(family = other_given or is_near(family, other_given), true)""",
        # Addresses that differ in a letter. In a number: two people of one name; in the first letter: two of one family;
        # in dots or in who hosts the mail: nothing but the same name again.
        "is_near_email(x, y)": """x[1] = y[1] and least(length(x), length(y)) >= 12 and abs(length(x) - length(y)) <= 2
            and damerau_levenshtein(replace(x, '.', ''), replace(y, '.', '')) between 1 and 2
            and regexp_replace(x, '[^0-9]', '', 'g') = regexp_replace(y, '[^0-9]', '', 'g')""",
        "days_between(x, y)": "try_strptime(y, '%Y%m%d')::date - try_strptime(x, '%Y%m%d')::date",
        "is_near_number(x, y)": "abs(length(x) - length(y)) <= 1 and damerau_levenshtein(x, y) = 1",
    }


def make_macros(con: duckdb.DuckDBPyConnection) -> None:
    """Define the cleaning functions in the connection (temporary: they are not stored in its file)."""
    for signature, body in _macros().items():
        con.execute(f"create or replace temp macro {signature} as {body}")
