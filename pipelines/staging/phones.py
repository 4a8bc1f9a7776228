"""Telephone numbers to E.164: each distinct writing is parsed once and remembered.

A writing is compacted first (`phone_key`): "(202) 555-0123", "202.555.0123" and "202 555 0123" are one. What is left is
parsed by `phonenumbers` with the region of its mapping, except for the ten digits of a North American number, whose
answer is known without asking (a test holds the two equal).
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import duckdb
import phonenumbers
import pyarrow as pa

REMEMBERED = "phone_numbers"
"""Default name of the remembered table: raw (compacted), region, e164 (NULL: no telephone number)."""

CHUNK = 50_000
POOL_FROM = 400_000
"""A number costs about 10 microseconds and a process half a second: below this many a pool is slower."""

NORTH_AMERICA = frozenset({"US", "CA"})


def phone_key(column: str) -> str:
    """SQL expression for the compacted writing of a raw number: what `raw` holds in the remembered table.

    Args:
        column: SQL expression of the raw text.
    """
    return f"regexp_replace(trim({column}), '[\\s().\\-\\x{{A0}}\\x{{2010}}-\\x{{2015}}]+', '', 'g')"


def e164(writing: str, region: str | None) -> str | None:
    """One number in E.164, or None where it is none or too short to be dialled from elsewhere."""
    try:
        number = phonenumbers.parse(writing, region)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    found = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return found if _is_steady(found) else None


def _is_steady(found: str) -> bool:
    """Whether the number reads as itself: of 000 0000 a zero would be taken for a prefix at every reading."""
    try:
        again = phonenumbers.parse(found, None)
    except phonenumbers.NumberParseException:
        return False
    return bool(phonenumbers.format_number(again, phonenumbers.PhoneNumberFormat.E164) == found)


def _parse_chunk(job: tuple[list[str], str | None]) -> list[str | None]:
    writings, region = job
    return [e164(writing, region) for writing in writings]


def parse_phones(
    con: duckdb.DuckDBPyConnection, values: str, region: str | None = "US", *, remembered: str = REMEMBERED
) -> int:
    """Fill the remembered table with every number of `values` it does not hold yet.

    Join with `phone_key(raw) = p.raw and p.region = '<region>'` afterwards; a NULL e164 means "parsed, is none".

    Args:
        con: the connection that holds both tables.
        values: a table, view or parenthesised query whose first column is the raw text (NULLs are left out).
        region: ISO 3166 code for numbers without a country code; None or "" takes only international writings.
        remembered: name of the remembered table, made where absent.

    Returns:
        How many writings were new.
    """
    region = (region or "").upper()
    con.execute(f"create table if not exists {remembered} (raw varchar, region varchar, e164 varchar)")
    source = values if values.lstrip().startswith("(") else f"(from {values})"
    con.execute(
        f"""create or replace temp table phones_unseen as
            select distinct {phone_key("v.value")} as raw from {source} as v(value) where value is not null
            except select raw from {remembered} where region = $region""",
        {"region": region},
    )
    if region in NORTH_AMERICA:
        _remember_known_shapes(con, region, remembered)
    _remember_parsed(con, region, remembered)
    new = int(con.execute("select count(*) from phones_unseen").fetchall()[0][0])
    con.execute("drop table phones_unseen")
    return new


KNOWN_SHAPE = "regexp_full_match(raw, '(\\+?1)?[2-9][0-9]{9}')"


def _remember_known_shapes(con: duckdb.DuckDBPyConnection, region: str, remembered: str) -> None:
    con.execute(
        f"insert into {remembered} select raw, $region, '+1' || right(raw, 10) from phones_unseen where {KNOWN_SHAPE}",
        {"region": region},
    )


def _remember_parsed(con: duckdb.DuckDBPyConnection, region: str, remembered: str) -> None:
    known = f"and not {KNOWN_SHAPE}" if region in NORTH_AMERICA else ""
    unseen = con.sql(f"select raw from phones_unseen where raw <> '' {known}").to_arrow_table()
    chunks = [batch.column(0).to_pylist() for batch in unseen.to_batches(max_chunksize=CHUNK)]
    jobs = [(chunk, region or None) for chunk in chunks]
    if unseen.num_rows < POOL_FROM:
        results = map(_parse_chunk, jobs)
        _insert(con, chunks, results, region, remembered)
        return
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        _insert(con, chunks, pool.map(_parse_chunk, jobs), region, remembered)


def _insert(
    con: duckdb.DuckDBPyConnection,
    chunks: list[list[str]],
    results: Iterable[list[str | None]],
    region: str,
    remembered: str,
) -> None:
    for raw, numbers in zip(chunks, results, strict=True):
        con.register(
            "phones_parsed", pa.table({"raw": pa.array(raw, pa.string()), "e164": pa.array(numbers, pa.string())})
        )
        con.execute(f"insert into {remembered} select raw, $region, e164 from phones_parsed", {"region": region})
        con.unregister("phones_parsed")
