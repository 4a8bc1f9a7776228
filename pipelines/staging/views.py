"""Views that put the connections of an owner side by side: staging.contacts, staging.contacts_edits, ..."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import md5

import duckdb

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.warehouse.build import BUILDS, Recorded, exists, quoted, read_builds, record_build
from pipelines.warehouse.models import ident

BEFORE = {
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
AFTER = {
    "custom": "JSON",
    "absent_fields": "VARCHAR[]",
    "unreadable_fields": "VARCHAR[]",
    "raw_hash": "VARCHAR",
    "values_hash": "UBIGINT",
}
EDITS = {"record_key": "VARCHAR", "field": "VARCHAR", "edited_at": "TIMESTAMPTZ", "is_echo": "BOOLEAN"}


def make_views(con: duckdb.DuckDBPyConnection, schemas: Mapping[str, CanonicalEntity]) -> None:
    """Make or renew the views of all entities; one that no connection has is empty, its columns are there.

    A view's version in meta.builds is made of its members', so that models see whether anything changed.
    """
    con.execute(BUILDS)
    builds = read_builds(con)
    for entity, schema in schemas.items():
        typed = {**BEFORE, **{name: f.duckdb_type for name, f in schema.fields.items()}, **AFTER}
        staged = con.execute("select connection from meta.staged where entity = $1 order by 1", [entity]).fetchall()
        for suffix, columns in (("", typed), ("_edits", EDITS)):
            members = [f"staging.{name}__{entity}{suffix}" for (name,) in staged]
            _make_view(con, f"staging.{entity}{suffix}", members, columns, builds)


def _make_view(
    con: duckdb.DuckDBPyConnection,
    view: str,
    members: list[str],
    columns: Mapping[str, str],
    builds: Mapping[str, Recorded],
) -> None:
    parts = [(member, builds[member].fingerprint) for member in members]
    version = md5(repr((parts, list(columns.items()))).encode(), usedforsecurity=False).hexdigest()
    if view in builds and builds[view].fingerprint == version and exists(con, view):
        return
    nothing = "select " + ", ".join(f"null::{kind} as {ident(name)}" for name, kind in columns.items()) + " limit 0"
    query = " union all by name ".join([f"({nothing})", *(f"from {quoted(member)}" for member in members)])
    con.execute("begin transaction")
    try:
        con.execute(f"create or replace view {quoted(view)} as {query}")
        record_build(con, view, version, sum(builds[member].rows for member in members))
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise
