"""Whether there is anything new to publish: the tables' content as one hash.

Run history and the ledger are left out: they change with every run, and are published as of the run before by
`refresh_candidate`, which copies the last file and needs no check.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import md5
from typing import NamedTuple

import duckdb

from pipelines.connections.owner import Owner
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.publish.contract import FILE, described
from pipelines.publish.own_views import own_views
from pipelines.warehouse.build import content_hash
from pipelines.warehouse.models import ident

RELATIONS = """
    select schema_name, table_name, null as sql from duckdb_tables()
    where database_name = current_database() and not temporary
    union all
    select schema_name, view_name, sql from duckdb_views()
    where database_name = current_database() and not internal and not temporary
    order by 1, 2"""
SOURCES = ("unified", "staging", "quality")
BUILDS = "select table_name, fingerprint from meta.builds where fingerprint is not null"


class Relation(NamedTuple):
    """A table, or a view and the statement that makes it."""

    schema: str
    name: str
    view: str | None

    @property
    def table(self) -> str:
        """Quoted for SQL."""
        return f"{ident(self.schema)}.{ident(self.name)}"


def published_relations(con: duckdb.DuckDBPyConnection, schemas: Mapping[str, CanonicalEntity]) -> list[Relation]:
    """The tables and views of a warehouse that are published; what state knows comes from state."""
    found = [Relation(*row) for row in con.execute(RELATIONS).fetchall() if row[0] in SOURCES]
    return [r for r in found if described(f"{r.schema}.{r.name}", schemas)]


def content_version(con: duckdb.DuckDBPyConnection, schemas: Mapping[str, CanonicalEntity]) -> str:
    """One hash of all that would be published, but history: equal hashes mean equal tables.

    A table counts by its fingerprint in meta.builds (unpublished ones too: a view may read them), and what goes with
    the golden records of an entity (sources, matches, ...) by theirs; any other by a hash of its rows. Schemas and
    descriptions count as well.
    """
    builds = _builds(con)
    parts = [FILE.read_text(encoding="utf-8")] + [schemas[name].model_dump_json() for name in sorted(schemas)]
    parts += [f"{table} {fingerprint}" for table, fingerprint in sorted(builds.items())]
    parts += [repr(view) for view in own_views(con)]
    built_with = tuple(f"unified.{s.singular}_" for s in schemas.values() if f"unified.{s.entity}" in builds)
    for relation in published_relations(con, schemas):
        name = f"{relation.schema}.{relation.name}"
        if relation.view is not None:
            parts.append(f"{name} {relation.view}")
        elif name not in builds and not name.startswith(built_with):
            parts.append(f"{name} {content_hash(con, name)}")
    return md5("\n".join(parts).encode(), usedforsecurity=False).hexdigest()


def _builds(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    there = "select 1 from information_schema.tables where table_schema = 'meta' and table_name = 'builds'"
    return dict(con.execute(BUILDS).fetchall()) if con.execute(there).fetchall() else {}


def published_version(owner: Owner) -> str | None:
    """The hash of what is published now; None: nothing is, or it cannot be read."""
    if not owner.crm.exists():
        return None
    try:
        with duckdb.connect(str(owner.crm.resolve()), read_only=True) as con:
            return str(con.execute("select content from sync.publication").fetchall()[0][0])
    except duckdb.Error:
        return None
