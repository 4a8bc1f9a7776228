"""Entities that rules alone decide: properties, deals, users."""

from __future__ import annotations

import duckdb

from pipelines.unify.identity.declaration import IdentityDeclaration


def make_rule_clusters(
    con: duckdb.DuckDBPyConnection,
    records: str,
    declaration: IdentityDeclaration,
    matches: str,
    clusters: str,
    answers: str | None,
) -> None:
    """Placeholder until rules are written below."""
    raise ValueError(f"{declaration.entity}: no rules yet for {records}, {matches}, {clusters}, {answers}, {con}")
