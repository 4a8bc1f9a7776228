"""Which pairs an operator is asked about."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from pipelines.unify.identity.sqlmodels import render

DOUBTFUL = (0.03, 0.97)
"""Chances between which an answer can teach something."""


@dataclass(frozen=True)
class ReviewPair:
    """Two records that may be one person.

    Attributes:
        probability: chance that they are, 0 to 1.
        evidence: what agrees and what does not, in words.
    """

    record_key_a: str
    record_key_b: str
    probability: float
    evidence: str


def review_pairs(
    con: duckdb.DuckDBPyConnection,
    n: int,
    *,
    matches: str = "unified.contact_matches",
    answers: str | None = None,
) -> list[ReviewPair]:
    """The `n` pairs whose answers teach most: doubtful, and of a kind of which there are many.

    Args:
        matches: table of pairs that `match` left.
        answers: table of answers already given; those pairs are not asked about again.
    """
    query = render("identity_review", matches=matches, answers=answers, n=n, at_least=DOUBTFUL[0], at_most=DOUBTFUL[1])
    rows = con.execute(query).fetchall()
    return [ReviewPair(a, b, float(probability), evidence) for a, b, probability, _bits, evidence, _worth in rows]
