"""What unify reads: the entity's staged records and edits under fixed names, also where no connection has any."""

from __future__ import annotations

from hashlib import md5

import duckdb

from pipelines.unify.rules import Plan
from pipelines.unify.sql import temp
from pipelines.warehouse.build import content_hash, read_builds

SYSTEM_COLUMNS = {
    "record_key": "VARCHAR",
    "connection": "VARCHAR",
    "source_id": "VARCHAR",
    "modified_at": "TIMESTAMPTZ",
    "first_modified_at": "TIMESTAMPTZ",
    "seen_at": "TIMESTAMPTZ",
    "first_seen_at": "TIMESTAMPTZ",
    "is_deleted": "BOOLEAN",
    "is_in_scope": "BOOLEAN",
}
TRAILING_COLUMNS = {"custom": "JSON", "raw_hash": "VARCHAR", "values_hash": "UBIGINT"}
EDITS = {"record_key": "VARCHAR", "field": "VARCHAR", "edited_at": "TIMESTAMPTZ", "is_echo": "BOOLEAN"}


def stage(con: duckdb.DuckDBPyConnection, plan: Plan, tables: frozenset[str], registry: str) -> None:
    """Makes the temporary views `staged` and `edits`, and the table `edited`, of the entity.

    A record that its mapping's `where` leaves out is not unified, unless it was before: then it is frozen.

    Args:
        tables: all that the warehouse has, as schema.table.
        registry: table of the records that have a golden id.
    """
    fields = {rule.name: rule.type for rule in plan.rules}
    columns = {**SYSTEM_COLUMNS, **fields, **TRAILING_COLUMNS}
    _view(con, tables, "staged", f"staging.{plan.entity}", columns, _without_never_wanted(con, plan, tables, registry))
    _view(con, tables, "edits", f"staging.{plan.entity}_edits", EDITS)
    temp(con, "edited")


def _without_never_wanted(con: duckdb.DuckDBPyConnection, plan: Plan, tables: frozenset[str], registry: str) -> str:
    """SQL that leaves out the records that were never in scope; nothing where there are none."""
    if f"staging.{plan.entity}" not in tables:
        return ""
    left_out = f"from staging.{plan.entity} where not is_in_scope"
    if not con.execute(f"select 1 {left_out} limit 1").fetchall():
        return ""
    con.execute(
        f"""create or replace temp table never_wanted as
            select record_key {left_out} and record_key not in (select record_key from {registry})"""
    )
    return " anti join never_wanted using (record_key)"


def _view(
    con: duckdb.DuckDBPyConnection,
    tables: frozenset[str],
    name: str,
    table: str,
    columns: dict[str, str],
    narrowed: str = "",
) -> None:
    if table in tables:
        query = f"from {table}{narrowed}"
    else:
        query = (
            "select " + ", ".join(f'null::{kind} as "{column}"' for column, kind in columns.items()) + " where false"
        )
    con.execute(f"create or replace temp view {name} as {query}")


def versions(con: duckdb.DuckDBPyConnection, entity: str, tables: frozenset[str]) -> str:
    """A word that changes whenever staging of the entity does.

    It is made of the fingerprints that staging recorded of its views; where it recorded none, of their content.
    """
    builds = read_builds(con)
    read = [name for name in (f"staging.{entity}", f"staging.{entity}_edits") if name in tables]
    words = [(name, builds[name].fingerprint if name in builds else content_hash(con, name)) for name in read]
    return md5(repr(words).encode(), usedforsecurity=False).hexdigest()
