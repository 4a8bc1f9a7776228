"""What unify reads: the entity's staged records and edits under fixed names, also where no connection has any."""

from __future__ import annotations

from hashlib import md5

import duckdb

from pipelines.unify.rules import Plan
from pipelines.unify.sql import temp
from pipelines.warehouse.build import content_hash, exists, read_builds

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


def stage(con: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    """Makes the temporary views `staged` and `edits`, and the table `edited`, of the entity."""
    fields = {rule.name: rule.type for rule in plan.rules}
    _view(con, "staged", f"staging.{plan.entity}", {**SYSTEM_COLUMNS, **fields, **TRAILING_COLUMNS})
    _view(con, "edits", f"staging.{plan.entity}_edits", EDITS)
    temp(con, "edited")


def _view(con: duckdb.DuckDBPyConnection, name: str, table: str, columns: dict[str, str]) -> None:
    if exists(con, table):
        query = f"from {table}"
    else:
        query = (
            "select " + ", ".join(f'null::{kind} as "{column}"' for column, kind in columns.items()) + " where false"
        )
    con.execute(f"create or replace temp view {name} as {query}")


def versions(con: duckdb.DuckDBPyConnection, entity: str) -> str:
    """A word that changes whenever staging of the entity does.

    It is made of the fingerprints that staging recorded; where it recorded none, of the tables' content.
    """
    recorded = {name: build.fingerprint for name, build in read_builds(con).items() if name.startswith("staging.")}
    found = con.execute(
        "select table_name from information_schema.tables where table_catalog = current_database() "
        "and table_schema = 'staging' and table_type = 'BASE TABLE' order by table_name"
    ).fetchall()
    wanted = {entity, f"{entity}_edits"}
    tables = [f"staging.{name}" for (name,) in found if name in wanted or name.partition("__")[2] in wanted]
    words = [(table, recorded.get(table) or content_hash(con, table)) for table in tables]
    return md5(repr(words).encode(), usedforsecurity=False).hexdigest()
