"""A run over what changed: equal to a full run, at the price of the changed records and their neighbours.

A pair can only change where one of its records did, or where a key came to be shared by too many records or by few
enough again; a cluster only where a pair in its component did. So those pairs are weighed again, and those components
put together again; everything else stays as it is.
"""

from __future__ import annotations

import duckdb

from pipelines.unify.identity.candidates import HASHES, declared_caps, keyed, make_beside, make_key_hashes, rules_of
from pipelines.unify.identity.declaration import IdentityDeclaration
from pipelines.unify.identity.model import PERSON_TERMS, Model
from pipelines.unify.identity.records import INPUT, columns_of, make_records
from pipelines.unify.identity.sqlmodels import build, render
from pipelines.unify.identity.tables import Tables


def look_again(
    con: duckdb.DuckDBPyConnection,
    records: str,
    declaration: IdentityDeclaration,
    model: Model,
    tables: Tables,
    changed: str,
) -> set[str]:
    """Bring the comparable records up to date; fill `identity_touched` (rid): whose pairs may be others now.

    The keys of all records are left in `identity_key_hashes`.

    Returns:
        The columns of the records.
    """
    con.execute(
        f"""create or replace temp table identity_changed as
            select distinct hash(record_key::varchar) as rid, record_key::varchar as record_key from {changed}"""
    )
    columns = columns_of(con, records)
    rules = rules_of(declaration, columns)
    make_key_hashes(con, rules, tables.known)
    con.execute(
        f"create or replace temp table identity_old_hashes as from {HASHES} semi join identity_changed using (rid)"
    )
    con.execute(
        f"""create or replace temp table identity_source as
            select {", ".join(sorted(columns & INPUT))} from {records}
            where record_key::varchar in (select record_key from identity_changed)"""
    )
    make_records(con, "identity_source")
    build(con, "identity_known", table="identity_new", terms=PERSON_TERMS, frequencies=tables.frequencies)
    con.execute(f"delete from {tables.known} where rid in (select rid from identity_changed)")
    con.execute(f"insert into {tables.known} by name from identity_new")
    make_key_hashes(con, rules, "identity_new", "identity_new_hashes")
    con.execute(f"delete from {HASHES} where rid in (select rid from identity_changed)")
    con.execute(f"insert into {HASHES} from identity_new_hashes")
    con.execute("create or replace temp table identity_touched as select rid from identity_changed")
    caps = {**declared_caps(declaration, model.population or 1), **(model.caps or {})}
    make_beside(con, rules, ["identity_new_hashes", "identity_old_hashes"])
    before = keyed(rules, "identity_old_hashes")
    con.execute(
        f"insert into identity_touched {render('identity_flipped', rules=rules, caps=caps, keyed_before=before)}"
    )
    con.execute("create or replace temp table identity_touched as select distinct rid from identity_touched")
    return columns


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
    con.execute(
        f"""create or replace temp table identity_near as
            select k.* from {tables.known} as k semi join identity_around as r on r.rid = k.rid"""
    )


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
