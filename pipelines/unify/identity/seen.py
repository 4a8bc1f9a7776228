"""What identity saw the last time, and so which records it must look at again."""

from __future__ import annotations

import duckdb

from pipelines.unify.sql import existing, is_temporary, number

MOST = 0.2
"""From this share of changed records on, looking at everything costs less."""
TOLD = "told_answers"
"""Temporary table: the operators' answers alone; that push made a record for another teaches nothing about people."""
NO_ANSWERS = "0"


def make_changed(con: duckdb.DuckDBPyConnection, entity: str, schema: str) -> str | None:
    """Make `changed_records` (record_key): what is new, changed or gone since `remember`, or answered about otherwise.

    Where unify knows which records are `differing` (record_key), no others are compared. An answer ties its two
    records, so where one of them changed the other is looked at, too.

    Args:
        entity: singular; what was seen bears its name.

    Returns:
        The table's name; None where nothing is remembered, or so much changed that everything is looked at.
    """
    records, answers = _tables(entity, schema)
    if not {records, answers} <= existing(con):
        return None
    staged = "differing" if is_temporary(con, "differing") else "staged"
    known = f"{records} semi join differing using (record_key)" if staged == "differing" else records
    con.execute(
        f"""create or replace temp table changed_records as
            with moved as (
                select coalesce(s.record_key, r.record_key) as record_key
                from {staged} as s
                full join (from {known}) as r on r.record_key = s.record_key
                where s.values_hash is distinct from r.values_hash
            ),
            otherwise as (
                (from answers except from {answers}) union all (from {answers} except from answers)
            ),
            told as (
                select record_key_a, record_key_b from answers
            )
            select record_key from moved
            union select unnest([record_key_a, record_key_b]) from otherwise
            union select record_key_b from told where record_key_a in (select record_key from moved)
            union select record_key_a from told where record_key_b in (select record_key from moved)"""
    )
    changed = number(con, "select count(*) from changed_records")
    return "changed_records" if changed <= MOST * number(con, "select count(*) from staged") else None


def remember(con: duckdb.DuckDBPyConnection, entity: str, schema: str, changed: str | None) -> None:
    """Write down what was seen: of each record its hash, and the answers.

    Args:
        changed: table (record_key) of the records that changed; None: all were looked at.
    """
    records, answers = _tables(entity, schema)
    if changed:
        con.execute(f"delete from {records} where record_key in (from {changed})")
        chosen = f"staged semi join {changed} using (record_key)"
        con.execute(f"insert into {records} select record_key, values_hash from {chosen}")
    else:
        con.execute(f"create or replace table {records} as select record_key, values_hash from staged")
    con.execute(f"create or replace table {answers} as from answers")
    for table in ("changed_records", TOLD):
        con.execute(f"drop table if exists temp.{table}")


def operators_answers(con: duckdb.DuckDBPyConnection) -> str:
    """Make `told_answers`; a word that changes whenever they do, `NO_ANSWERS` where there are none."""
    con.execute(f"create or replace temp table {TOLD} as select * from answers where said_by = 'operator'")
    found = con.execute(f"select bit_xor(hash(record_key_a, record_key_b, answer)) from {TOLD}").fetchall()
    return str(found[0][0] or NO_ANSWERS)


def _tables(entity: str, schema: str) -> tuple[str, str]:
    return f"{schema}.{entity}_seen", f"{schema}.{entity}_seen_answers"
