"""Names that are one: nicknames, and writings in other scripts."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import duckdb
import pyarrow as pa
from anyascii import anyascii
from nicknames import name_triplets

CHUNK = 50_000
FOREIGN_COLUMNS = ("first_name", "middle_name", "last_name", "nickname", "name", "company", "street", "city")


@cache
def nickname_pairs() -> frozenset[tuple[str, str]]:
    """Pairs of given names of one person, both ways: formal and nickname, and two nicknames of one formal name.

    Source: package `nicknames` (a hand-curated list of English given names).
    """
    of_formal: dict[str, set[str]] = {}
    for triplet in name_triplets():
        of_formal.setdefault(triplet.name1.lower(), {triplet.name1.lower()}).add(triplet.name2.lower())
    pairs = {pair for family in of_formal.values() for pair in combinations(sorted(family), 2)}
    return frozenset(pairs | {(other, name) for name, other in pairs})


@cache
def formal_names() -> dict[str, str]:
    """One formal name per nickname, for counting people: the one with most nicknames, then the first by letters."""
    nicknames: dict[str, set[str]] = {}
    for triplet in name_triplets():
        nicknames.setdefault(triplet.name1.lower(), set()).add(triplet.name2.lower())
    formal: dict[str, str] = {}
    for name in sorted(nicknames, key=lambda name: (-len(nicknames[name]), name)):
        for nickname in nicknames[name]:
            formal.setdefault(nickname, name)
    return formal


def make_nicknames(con: duckdb.DuckDBPyConnection) -> None:
    """Fill `identity_nicknames` (name, other) and `identity_formal_names` (name, formal)."""
    names, others = zip(*sorted(nickname_pairs()), strict=True)
    con.register("identity_nickname_pairs", pa.table({"name": pa.array(names), "other": pa.array(others)}))
    con.execute("create or replace temp table identity_nicknames as from identity_nickname_pairs")
    con.unregister("identity_nickname_pairs")
    formal = formal_names()
    table = pa.table({"name": pa.array(list(formal)), "formal": pa.array(list(formal.values()))})
    con.register("identity_formal_pairs", table)
    con.execute("create or replace temp table identity_formal_names as from identity_formal_pairs")
    con.unregister("identity_formal_pairs")


def make_ascii(con: duckdb.DuckDBPyConnection, records: str, columns: set[str]) -> set[str]:
    """Fill `identity_ascii` (value, ascii) with every writing that accents alone do not explain: 王伟, Ольга, Straße.

    Returns:
        The columns that hold such writings.
    """
    con.execute("create or replace temp table identity_ascii (value varchar, ascii varchar)")
    foreign = set()
    for column in sorted(columns & set(FOREIGN_COLUMNS)):
        strange = con.sql(
            f"""select distinct trim({column}) as value from {records}
                where regexp_matches(strip_accents({column}), '[^\\x00-\\x7F]')"""
        ).to_arrow_table()
        for batch in strange.to_batches(max_chunksize=CHUNK):
            values = batch.column(0).to_pylist()
            latin = pa.table({"value": values, "ascii": [anyascii(value) for value in values]})
            con.register("identity_latin", latin)
            con.execute("insert into identity_ascii from identity_latin")
            con.unregister("identity_latin")
            foreign.add(column)
    con.execute("create or replace temp table identity_ascii as select distinct value, ascii from identity_ascii")
    return foreign
