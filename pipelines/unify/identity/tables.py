"""Where the results of one entity's identity are."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.unify.identity.declaration import IdentityDeclaration


@dataclass(frozen=True)
class Tables:
    """Names of the tables of one entity, as schema.table.

    Attributes:
        known: records in comparable form.
        frequencies: how often values occur.
        matches: pairs with evidence and decision.
        clusters: the record keys of each cluster.
    """

    known: str
    frequencies: str
    matches: str
    clusters: str


def tables_of(declaration: IdentityDeclaration, schema: str) -> Tables:
    """Names of the tables of one entity."""
    return Tables(
        *(f"{schema}.{declaration.entity}_{name}" for name in ("comparable", "frequencies", "matches", "clusters"))
    )
