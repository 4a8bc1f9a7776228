"""The weights of a warehouse's last run: what they say about two records, as text and as a chart, and trained anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.unify.identity.declaration import IdentityDeclaration, declaration_of
from pipelines.unify.identity.finder import KEPT_IN, kept_model
from pipelines.unify.identity.model import Model, load_model, save_model
from pipelines.unify.identity.tables import Tables, tables_of

if TYPE_CHECKING:
    import duckdb

    from pipelines.unify.identity.explain import Evidence


@dataclass(frozen=True)
class Weights:
    """The weights by which people were recognised, and the comparable records they were used on."""

    con: duckdb.DuckDBPyConnection
    declaration: IdentityDeclaration
    model: Model
    tables: Tables

    def explain(self, a: str, b: str) -> list[Evidence]:
        """Every comparison's evidence about two source records."""
        from pipelines.unify.identity.explain import explain

        return explain(self.con, a, b, self.declaration, self.model, self.tables)

    def waterfall(self, a: str, b: str) -> str:
        """Splink's waterfall chart of two source records, as an HTML page that loads nothing."""
        from pipelines.unify.identity.train import waterfall

        with _scratch(self.con):
            return waterfall(self.con, a, b, self.declaration, self.model, self.tables)

    def train(self, path: Path) -> Model:
        """Writes the weights that Splink estimates on the comparable records."""
        from pipelines.unify.identity.train import train

        with _scratch(self.con):
            trained = train(self.con, self.declaration, self.model, self.tables)
        save_model(trained, path)
        return trained


def weights_of(con: duckdb.DuckDBPyConnection, schema: CanonicalEntity) -> Weights:
    """The weights of the last run; the shipped ones where the declaration is another now.

    Raises:
        ValueError: there was no run yet.
    """
    declaration = declaration_of(schema.model_dump(include={"singular", "identity"}))
    tables = tables_of(declaration, KEPT_IN)
    there = con.execute("select schema_name || '.' || table_name from duckdb_tables()").fetchall()
    if (tables.known,) not in there:
        raise ValueError(f"no {schema.entity} were unified yet: run a connection first")
    return Weights(con, declaration, kept_model(con, declaration) or load_model(), tables)


@contextmanager
def _scratch(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Splink writes tables of its own, and the warehouse is open for reading: they go to memory."""
    home = con.execute("select current_database()").fetchall()[0][0]
    con.execute("attach ':memory:' as scratch (read_write)")
    con.execute(f"set search_path = 'scratch.main,{home}.{KEPT_IN}'")
    try:
        yield
    finally:
        con.execute("reset search_path")
        con.execute("detach scratch")
