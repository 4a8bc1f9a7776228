"""What is searched of each source record, made in DuckDB: its words, its telephone numbers, the words one mistypes."""

from __future__ import annotations

from pipelines.service.unified.shapes import rows_sql

# Country calling codes as zones of ITU-T E.164 tell them apart.
CALLING_CODE = (
    "^(1|7|2(?:0|7|[1-689][0-9])|3(?:[0-469]|[578][0-9])|4(?:[013-9]|2[0-9])|5(?:[1-8]|[09][0-9])"
    "|6(?:[0-6]|[789][0-9])|8(?:[1246]|[035789][0-9])|9(?:[0-58]|[679][0-9]))"
)
WORDS = {
    "contacts": (
        "s.first_name", "s.middle_name", "s.last_name", "s.nickname", "s.name", "s.company", "s.street", "s.city",
        "s.state_or_province", "s.postal_code", "s.email", "array_to_string(s.emails, ' ')",
    ),
    "deals": ("s.name", "s.property_address", "s.owner_name", "s.stage", "s.listing_id", "s.transaction_type"),
}  # fmt: skip
MISTYPED = {
    "contacts": ("s.first_name", "s.middle_name", "s.last_name", "s.nickname", "s.name", "s.company", "s.street",
                 "s.city"),
    "deals": ("s.name", "s.property_address", "s.owner_name"),
}  # fmt: skip
SQUEEZED = {"contacts": ("s.last_name", "s.first_name", "s.company"), "deals": ()}
EMAILS = {"contacts": "list_append(coalesce(s.emails, []), s.email)", "deals": "[]::varchar[]"}
HOSTS = {"contacts": "regexp_extract(s.email, '@(.*)$', 1)", "deals": "null"}
PHONES = {"contacts": "list_append(coalesce(s.phones, []), s.phone)", "deals": "[]::varchar[]"}


def documents_sql(
    entity: str, *, of: str | None = None, golden: str | None = None, people: str = "unified.contact_sources"
) -> str:
    """The query of (key, source, row, words, starts, raw_hash, spelt).

    `starts` are the digits of each telephone number, and each e-mail address behind an e, by blanks; `spelt` holds the
    words of names, places and mail hosts.
    """
    squeezed = [
        f"case when regexp_matches({c}, '[^\\w\\s]') then regexp_replace({c}, '[^\\w]', '', 'g') end"
        for c in SQUEEZED[entity]
    ]
    digits = f"""list_filter(list_distinct(list_transform({PHONES[entity]},
        lambda p: regexp_replace(regexp_replace(coalesce(p, ''), ';.*$', ''), '[^0-9]', '', 'g'))),
        lambda d: length(d) > 4)"""
    national = f"list_transform({digits}, lambda d: regexp_replace(d, '{CALLING_CODE}', ''))"
    emails = f"""list_transform(list_distinct(list_filter({EMAILS[entity]}, lambda m: m is not null)),
        lambda m: 'e' || replace(lower(m), ' ', ''))"""
    more = f""",
        concat_ws(' ', {", ".join([*WORDS[entity], *squeezed])}, array_to_string({national}, ' ')) as words,
        array_to_string(list_concat({digits}, {emails}), ' ') as starts,
        s.raw_hash as raw_hash,
        strip_accents(lower(concat_ws(' ', {", ".join([*MISTYPED[entity], HOSTS[entity]])}))) as spelt"""
    return rows_sql(entity, of=of, golden=golden, people=people, more=more)


def starts_sql(docs: str) -> str:
    """(start, doc) of (doc, starts): a telephone number begins international, national, and from its end."""
    return f"""with every as (select doc, unnest(string_split(starts, ' ')) as one from {docs} where starts <> ''),
        starts as (
            select one as start, doc from every
            union select regexp_replace(one, '{CALLING_CODE}', ''), doc from every where one[1] <> 'e'
            union select 'r' || reverse(one), doc from every where one[1] <> 'e')
        select start, doc from starts where length(start) > 3"""


def spelt_sql(docs: str) -> str:
    """The different words of letters in (spelt)."""
    words = "unnest(regexp_split_to_array(spelt, '[^\\p{L}]+'))"
    return f"""select distinct word from (select {words} as word from {docs})
        where length(word) between 4 and 24"""
