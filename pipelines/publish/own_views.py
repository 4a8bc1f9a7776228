"""The views that mappings define, in the published file: `main.<name>`, with their comments."""

from __future__ import annotations

import json
from typing import NamedTuple

import duckdb

from pipelines.warehouse.models import ident, literal

THERE = "select 1 from information_schema.tables where table_schema = 'meta' and table_name = 'own_views'"
DEFAULT = "One row is one record in the words of the CRM's users"


class OwnView(NamedTuple):
    """A view: its query over the staging tables, what it is, and what its columns are."""

    name: str
    query: str
    says: str
    columns: dict[str, str]


def own_views(con: duckdb.DuckDBPyConnection) -> list[OwnView]:
    """The views of a warehouse; one that several connections have shows the rows of all."""
    if not con.execute(THERE).fetchall():
        return []
    rows = con.execute("select name, query, says, columns from meta.own_views order by name, connection").fetchall()
    found: dict[str, OwnView] = {}
    for name, query, says, columns in rows:
        before = found.get(name)
        together = f"({query})" if before is None else f"{before.query} union all by name ({query})"
        said = {} if before is None else before.columns
        found[name] = OwnView(name, together, says or DEFAULT, {**json.loads(columns), **said})
    return list(found.values())


def make_own_views(con: duckdb.DuckDBPyConnection, views: list[OwnView]) -> None:
    """Makes them in the candidate, after its staging tables."""
    for view in views:
        table = f"main.{ident(view.name)}"
        con.execute(f"create view {table} as {view.query}")
        con.execute(f"comment on view {table} is {literal(view.says)}")
        for column, text in view.columns.items():
            con.execute(f"comment on column {table}.{ident(column)} is {literal(text)}")
