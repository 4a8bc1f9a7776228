"""What is published now, in numbers: what a candidate's growth is measured against."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import duckdb

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.warehouse.models import ident

TABLES = "select table_schema || '.' || table_name from information_schema.tables"


class Counts(NamedTuple):
    """Golden records of an entity, and the living source records behind them."""

    golden: int
    sources: int


def tables_of(path: Path) -> frozenset[str]:
    """Tables and views of a DuckDB file, as schema.table."""
    with duckdb.connect(str(path), read_only=True) as con:
        return frozenset(name for (name,) in con.execute(TABLES).fetchall())


def published_counts(path: Path, entities: Iterable[CanonicalEntity]) -> dict[str, Counts]:
    """Counts by entity of a published file; an entity it does not have is left out."""
    there = tables_of(path)
    with duckdb.connect(str(path), read_only=True) as con:
        return {
            entity.entity: Counts(*con.execute(_query(entity)).fetchall()[0])
            for entity in entities
            if {f"unified.{entity.entity}", f"unified.{entity.singular}_sources"} <= there
        }


def _query(entity: CanonicalEntity) -> str:
    golden, sources = ident(entity.entity), ident(f"{entity.singular}_sources")
    return f"""select (select count(*) from unified.{golden}),
        (select count(*) from unified.{sources} where not is_deleted)"""
