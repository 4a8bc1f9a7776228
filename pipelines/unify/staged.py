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


def stage(con: duckdb.DuckDBPyConnection, plan: Plan, tables: frozenset[str]) -> None:
    """Makes the temporary views `staged` and `edits`, and the table `edited`, of the entity.

    Args:
        tables: all that the warehouse has, as schema.table.
    """
    fields = {rule.name: rule.type for rule in plan.rules}
    _view(con, tables, "staged", f"staging.{plan.entity}", {**SYSTEM_COLUMNS, **fields, **TRAILING_COLUMNS})
    _view(con, tables, "edits", f"staging.{plan.entity}_edits", EDITS)
    temp(con, "edited")


def _view(
    con: duckdb.DuckDBPyConnection, tables: frozenset[str], name: str, table: str, columns: dict[str, str]
) -> None:
    if table in tables:
        query = f"from {table}"
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
