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
        keys: the hashes of each record's keys under the candidate rules.
        crowds: the keys that too many records share.
        matches: pairs with evidence and decision.
        clusters: the record keys of each cluster.
    """

    known: str
    frequencies: str
    keys: str
    crowds: str
    matches: str
    clusters: str


def tables_of(declaration: IdentityDeclaration, schema: str) -> Tables:
    """Names of the tables of one entity."""
    names = ("comparable", "frequencies", "keys", "crowds", "matches", "clusters")
    return Tables(*(f"{schema}.{declaration.entity}_{name}" for name in names))
