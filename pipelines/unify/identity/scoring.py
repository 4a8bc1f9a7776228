"""What every candidate pair weighs."""

from __future__ import annotations

import duckdb

from pipelines.unify.identity.declaration import IdentityDeclaration
from pipelines.unify.identity.model import PERSON_TERMS, Model
from pipelines.unify.identity.sqlmodels import render

NEVER_BELOW = -1e9
COLUMNS = (
    *("given", "nick", "middle", "family", "generation", "email", "email_digits", "is_public_mail", "phone", "company"),
    *("house", "street", "unit", "postal", "city", "birth", "birth_day", "national_id"),
)
"""The columns of comparable records that are compared; beside them, how often the terms occur."""
CARRIED = ("emails", "phones", "address")
"""The columns of identifiers that are not compared themselves."""


def score_query(
    pairs: str,
    declaration: IdentityDeclaration,
    model: Model,
    *,
    known: str,
    floor: float = NEVER_BELOW,
    explain: bool = False,
) -> str:
    """The SELECT that weighs the pairs of one table.

    Args:
        pairs: table of pairs (a, b, people per identifier).
        known: table of comparable records.
        floor: pairs below this many bits are left out.
        explain: also every comparison's own weight.
    """
    compared = compared_query(pairs, known=known, only_decidable=floor > NEVER_BELOW)
    return weighed_query(f"({compared})", declaration, model, floor=floor, explain=explain)


def compared_query(pairs: str, *, known: str, only_decidable: bool = False) -> str:
    """The SELECT that says of the pairs of one table how far each comparison agrees: no model has a part in that.

    Args:
        only_decidable: without the pairs that a guard parts and nobody would be asked about.
    """
    return render(
        "identity_compared",
        pairs=pairs,
        known=known,
        only_decidable=only_decidable,
        columns=COLUMNS,
        terms=PERSON_TERMS,
    )


def weighed_query(
    compared: str,
    declaration: IdentityDeclaration,
    model: Model,
    *,
    floor: float = NEVER_BELOW,
    explain: bool = False,
) -> str:
    """The SELECT that weighs what was compared (a table, or a SELECT in brackets); see `score_query`."""
    return render(
        "identity_scores",
        compared=compared,
        floor=floor,
        explain=explain,
        terms=PERSON_TERMS,
        population=float(model.population or 1),
        twins=model.twins(),
        prior=model.prior_bits(),
        comparisons=model.sql(declaration.comparisons),
        namesake_bits=model.namesake_bits,
        nameless_bits=model.nameless_bits,
    )


def make_scores(
    con: duckdb.DuckDBPyConnection,
    table: str,
    pairs: str,
    declaration: IdentityDeclaration,
    model: Model,
    *,
    known: str,
    floor: float = NEVER_BELOW,
    explain: bool = False,
) -> None:
    """Make `table` from the pairs of another."""
    text = score_query(pairs, declaration, model, known=known, floor=floor, explain=explain)
    con.execute(f"create or replace temp table {table} as {text}")


def ends(pairs: str) -> str:
    """The SELECT of the records (rid) that occur in a table of pairs."""
    return f"select a as rid from {pairs} union select b from {pairs}"


def make_near(con: duckdb.DuckDBPyConnection, table: str, rids: str, known: str) -> None:
    """Make `table` of some comparable records, with what is compared: where they are few, scoring reads those alone.

    Args:
        rids: SELECT of their rid.
    """
    columns = ", ".join(["rid", "record_key", *COLUMNS, *CARRIED, *(f"{term}_records" for term in PERSON_TERMS)])
    con.execute(
        f"""create or replace temp table {table} as
            select {columns} from {known} where rid in ({rids})"""
    )
