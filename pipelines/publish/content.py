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
from pipelines.warehouse.build import content_hash
from pipelines.warehouse.models import ident

RELATIONS = """
    select schema_name, table_name, null as sql from duckdb_tables()
    where database_name = current_database() and not temporary
    union all
    select schema_name, view_name, sql from duckdb_views()
    where database_name = current_database() and not internal and not temporary
    order by 1, 2"""
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


def relations(con: duckdb.DuckDBPyConnection) -> list[Relation]:
    """All tables and views of the database that `con` uses."""
    return [Relation(*row) for row in con.execute(RELATIONS).fetchall()]


def content_version(con: duckdb.DuckDBPyConnection, schemas: Mapping[str, CanonicalEntity]) -> str:
    """One hash of all that would be published, but history: equal hashes mean equal tables.

    A table counts by its fingerprint in meta.builds (unpublished ones too: a view may read them), or else by a hash of
    its rows; schemas and descriptions count as well.
    """
    found = relations(con)
    builds = dict(con.execute(BUILDS).fetchall()) if ("meta", "builds") in {(r.schema, r.name) for r in found} else {}
    parts = [FILE.read_text(encoding="utf-8")] + [schemas[name].model_dump_json() for name in sorted(schemas)]
    parts += [f"{table} {fingerprint}" for table, fingerprint in sorted(builds.items())]
    for relation in found:
        name = f"{relation.schema}.{relation.name}"
        if name not in builds and described(name, schemas):
            parts.append(f"{name} {relation.view or content_hash(con, name)}")
    return md5("\n".join(parts).encode(), usedforsecurity=False).hexdigest()


def published_version(owner: Owner) -> str | None:
    """The hash of what is published now; None: nothing is, or it cannot be read."""
    if not owner.crm.exists():
        return None
    try:
        with duckdb.connect(str(owner.crm.resolve()), read_only=True) as con:
            return str(con.execute("select content from sync.publication").fetchall()[0][0])
    except duckdb.Error:
        return None
