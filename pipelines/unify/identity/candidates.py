"""Which pairs of records are looked at."""

from __future__ import annotations

from typing import Any

import duckdb

from pipelines.unify.identity.declaration import Candidate, IdentityDeclaration
from pipelines.unify.identity.sqlmodels import build, render

WIDER_KEYS = 200_000
"""In a set of n records, a "wider" key may be shared by up to this / n of them: 200 of 1,000, 20 of 10,000."""


def make_pairs(
    con: duckdb.DuckDBPyConnection,
    declaration: IdentityDeclaration,
    columns: set[str],
    *,
    known: str,
    frequencies: str,
    population: int,
    touched: str | None = None,
) -> None:
    """Fill `identity_pairs` (a, b, people per identifier) with every pair that a candidate rule finds.

    Args:
        touched: table of record ids (rid): only pairs with one of them.
    """
    identifiers = list(declaration.identifiers)
    spelled = ", ".join(f"{name} utinyint" for name in identifiers)
    con.execute(f"create or replace temp table identity_raw_pairs (a ubigint, b ubigint, {spelled})")
    for name, candidate in declaration.candidates.items():
        rule = rule_of(name, declaration, columns)
        build(con, "identity_keys", rule=rule, at_most=at_most(candidate, population), known=known, touched=touched)
        pairs = render(
            "identity_rule_pairs", rule=rule, identifiers=identifiers, frequencies=frequencies, touched=touched
        )
        con.execute(f"insert into identity_raw_pairs {pairs}")
    build(con, "identity_pairs", identifiers=identifiers)
    con.execute("drop table identity_raw_pairs")
    con.execute("drop table identity_keys")


def at_most(candidate: Candidate, population: int) -> int:
    """How many records may share a key of this rule."""
    return max(candidate.at_most, WIDER_KEYS // max(population, 1)) if candidate.wider else candidate.at_most


def rule_of(name: str, declaration: IdentityDeclaration, columns: set[str]) -> dict[str, Any]:
    """One candidate rule as the SQL models want it."""
    identifier = declaration.identifiers.get(name)
    return {
        "name": name,
        "on": declaration.candidates[name].on,
        "columns": sorted({column.partition("[")[0] for column in declaration.candidates[name].on}),
        "identifier": name if identifier else None,
        "each": identifier.each if identifier and identifier.each in columns else None,
        "most_people": identifier.most_people if identifier else 0,
    }
