"""A run over what changed: equal to a full run, at the price of the changed records and their neighbours.

A pair can only change where one of its records did, or where a key came to be shared by too many records or by few
enough again; a cluster only where a pair in its component did. So those pairs are weighed again, and those components
put together again; everything else stays as it is.
"""

from __future__ import annotations

import duckdb

from pipelines.unify.identity.candidates import CandidateRule, Search, declared_caps, keyed, rules_of
from pipelines.unify.identity.declaration import IdentityDeclaration
from pipelines.unify.identity.model import PERSON_TERMS, Model
from pipelines.unify.identity.records import INPUT, columns_of, make_records
from pipelines.unify.identity.scoring import make_near
from pipelines.unify.identity.sqlmodels import build
from pipelines.unify.identity.tables import Tables

TOUCHED = "identity_touched"
"""Temporary table (rid): whose pairs may be others now."""


def pair_again(
    con: duckdb.DuckDBPyConnection,
    records: str,
    declaration: IdentityDeclaration,
    model: Model,
    tables: Tables,
    changed: str,
) -> None:
    """Bring the comparable records up to date; fill `identity_touched`, and `identity_pairs` with their pairs."""
    con.execute(
        f"""create or replace temp table identity_changed as
            select distinct hash(record_key::varchar) as rid, record_key::varchar as record_key from {changed}"""
    )
    columns = columns_of(con, records)
    rules = rules_of(declaration, columns)
    caps = {**declared_caps(declaration, model.population or 1), **(model.caps or {})}
    con.execute(
        f"""create or replace temp table identity_keys_before as
            from {tables.keys} semi join identity_changed using (rid)"""
    )
    _read_again(con, records, columns, tables)
    _replace_keys(con, rules, tables)
    _make_touched(con, rules, caps, tables)
    search = Search(con, rules, list(declaration.identifiers), tables, caps)
    search.touched(TOUCHED, "identity_beside", caps)


def _read_again(con: duckdb.DuckDBPyConnection, records: str, columns: set[str], tables: Tables) -> None:
    con.execute(
        f"""create or replace temp table identity_source as
            select {", ".join(sorted(columns & INPUT))} from {records}
            where record_key::varchar in (select record_key from identity_changed)"""
    )
    make_records(con, "identity_source")
    build(con, "identity_known", table="identity_new", terms=PERSON_TERMS, frequencies=tables.frequencies)
    con.execute(f"delete from {tables.known} where rid in (select rid from identity_changed)")
    con.execute(f"insert into {tables.known} by name from identity_new")


def _replace_keys(con: duckdb.DuckDBPyConnection, rules: list[CandidateRule], tables: Tables) -> None:
    build(con, "identity_key_hashes", rules=rules, known="identity_new")
    con.execute(f"delete from {tables.keys} where rid in (select rid from identity_changed)")
    con.execute(f"insert into {tables.keys} from identity_key_hashes")


def _make_touched(
    con: duckdb.DuckDBPyConnection, rules: list[CandidateRule], caps: dict[str, int], tables: Tables
) -> None:
    """Fill `identity_touched`, and `identity_beside` with all who share a key with them, but a crowd's."""
    before = keyed(rules, "identity_keys_before")
    build(con, "identity_asked", keyed_before=before, keyed_after=keyed(rules, "identity_key_hashes"))
    at_most = f"case rule{''.join(f' when {rule.number} then {caps[rule.name]}' for rule in rules)} end"
    con.execute(
        f"""update {tables.crowds} as c set records = c.records + a.more
            from identity_asked as a where a.rule = c.rule and a.key = c.key and a.more <> 0"""
    )
    con.execute(f"delete from {tables.crowds} where records <= {at_most}")
    con.execute(
        f"""create or replace temp table identity_told as
            select rule, key from identity_asked anti join {tables.crowds} using (rule, key)"""
    )
    everywhere = {rule.number: keyed([rule], tables.keys) for rule in rules}
    build(con, "identity_beside", rules=rules, keyed_by=everywhere, asked="identity_told")
    build(con, "identity_counted", rules=rules, caps=caps, keyed_before=before)
    build(con, "identity_flipped")
    con.execute(
        f"""insert into {tables.crowds}
            select rule, key, after from identity_counted where after > at_most and neighbours = 0"""
    )
    con.execute(
        f"""create or replace temp table {TOUCHED} as
            select rid from identity_changed union all select rid from identity_flipped"""
    )
    _stand_beside_flipped(con, rules, tables, everywhere)


def _stand_beside_flipped(
    con: duckdb.DuckDBPyConnection, rules: list[CandidateRule], tables: Tables, everywhere: dict[int, str]
) -> None:
    """Those who share another key with a record under a key that flipped: `identity_beside` has not yet got them."""
    con.execute(
        f"""create or replace temp table identity_keys_flipped as
            from {tables.keys} semi join identity_flipped using (rid)"""
    )
    con.execute(
        f"""create or replace temp table identity_told_more as
            select distinct rule, key from ({keyed(rules, "identity_keys_flipped")})
            anti join identity_told using (rule, key) anti join {tables.crowds} using (rule, key)"""
    )
    build(con, "identity_beside", table="identity_more", rules=rules, keyed_by=everywhere, asked="identity_told_more")
    con.execute("insert into identity_beside from identity_more")


def gather(con: duckdb.DuckDBPyConnection, tables: Tables) -> None:
    """Fill `identity_near` with the comparable records of all that may be weighed or put together again.

    They are those of `identity_pairs`, those touched, whom those touched were paired with, and all of their components.
    Few as they are, what follows reads them alone, and the wide table of all records once.
    """
    con.execute(
        f"""create or replace temp table identity_around as
            with seed as (
                select a as rid from identity_pairs
                union select b from identity_pairs
                union select rid from identity_touched
                union select m.b from {tables.matches} as m semi join identity_touched as t on t.rid = m.a
                union select m.a from {tables.matches} as m semi join identity_touched as t on t.rid = m.b
            ),
            components as (
                select distinct c.component from {tables.clusters} as c semi join seed as s on s.rid = c.rid
            )
            select rid from seed
            union select c.rid from {tables.clusters} as c semi join components as o on o.component = c.component"""
    )
    make_near(con, "identity_near", "select rid from identity_around", tables.known)


def widen(con: duckdb.DuckDBPyConnection, tables: Tables) -> None:
    """Put the new pairs in place of the old; fill `identity_scope` (rid): all records of the components touched."""
    con.execute(
        f"""create or replace temp table identity_ends as
            select rid from identity_touched
            union
            select m.b from {tables.matches} as m semi join identity_touched as t on t.rid = m.a
            union
            select m.a from {tables.matches} as m semi join identity_touched as t on t.rid = m.b
            union
            select a from identity_edges
            union
            select b from identity_edges"""
    )
    con.execute(
        f"""delete from {tables.matches}
            where a in (select rid from identity_touched) or b in (select rid from identity_touched)"""
    )
    con.execute(f"insert into {tables.matches} by name from identity_edges")
    con.execute(
        f"""create or replace temp table identity_scope as
            select rid from identity_ends
            union
            select c.rid from {tables.clusters} as c
            where c.component in (
                select o.component from {tables.clusters} as o semi join identity_ends as e on e.rid = o.rid)"""
    )


def keep_unchanged(con: duckdb.DuckDBPyConnection, tables: Tables) -> None:
    """Put the clusters made anew in place of the old."""
    con.execute(f"delete from {tables.clusters} where rid in (select rid from identity_scope)")
    con.execute(f"insert into {tables.clusters} by name from identity_clusters")
