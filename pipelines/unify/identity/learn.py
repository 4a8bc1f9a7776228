"""What operators' answers teach: how far each outcome's weight, and the sum, is off on this office's data.

Every answered pair is a sum of weights and a yes or no. The corrections are those that explain the answers best while
staying small (a logistic regression whose coefficients are pulled to zero: ridge). Ten answers move little, a hundred
what they agree on. Each correction is written beside the weight it corrects (`learned_bits`), so one can read it.
"""

from __future__ import annotations

from math import log

import duckdb
import numpy as np
from numpy.typing import NDArray

from pipelines.unify.identity.declaration import IdentityDeclaration
from pipelines.unify.identity.explain import make_pair_scores
from pipelines.unify.identity.model import Model
from pipelines.unify.identity.tables import Tables

WEIGHT_MAY_BE_OFF = 0.8
"""Bits: how far a weight of the model may well be wrong."""
SUM_MAY_BE_OFF = 1.0
ENOUGH = 50
"""With so many answers the cut is where chances are even; before, caution stays as declared."""

Matrix = NDArray[np.float64]


def learn(
    con: duckdb.DuckDBPyConnection,
    answers: str,
    declaration: IdentityDeclaration,
    model: Model,
    tables: Tables,
) -> Model:
    """The model, corrected by a table of answers (record_key_a, record_key_b, answer: same or different)."""
    rows = con.execute(
        f"""select record_key_a, record_key_b from {answers}
            where answer in ('same', 'different') order by all"""
    ).fetchall()
    plain = _unlearned(model)
    if not rows:
        return plain
    make_pair_scores(con, declaration, plain, tables, [(a, b) for a, b in rows])
    outcomes, features, bits, said = _answered(con, answers, declaration)
    corrections = _ridge(features, bits, said)
    learned = plain.model_copy(deep=True)
    learned.learned_bits = round(float(corrections[0]), 3)
    for (name, level), correction in zip(outcomes, corrections[1:], strict=True):
        learned.comparisons[name][level].learned_bits = round(float(correction), 3)
    learned.answers = len(rows)
    if len(said) >= ENOUGH:
        learned.match_bits = 0.0
    return learned


def _unlearned(model: Model) -> Model:
    plain = model.model_copy(deep=True, update={"learned_bits": 0.0, "match_bits": None, "answers": 0})
    for levels in plain.comparisons.values():
        for level in levels.values():
            level.learned_bits = 0.0
    return plain


def _answered(
    con: duckdb.DuckDBPyConnection, answers: str, declaration: IdentityDeclaration
) -> tuple[list[tuple[str, str]], Matrix, Matrix, Matrix]:
    names = declaration.comparisons
    rows = con.execute(
        f"""with said as (
                select least(x.rid, y.rid) as a, greatest(x.rid, y.rid) as b, bool_and(w.answer = 'same') as is_same
                from {answers} as w
                join identity_few as x on x.record_key = w.record_key_a
                join identity_few as y on y.record_key = w.record_key_b
                where w.answer in ('same', 'different')
                group by 1, 2)
            select distinct on (s.a, s.b) {", ".join(f"s.{name}" for name in names)}, s.bits, said.is_same
            from identity_pair_scores as s join said on said.a = s.a and said.b = s.b
            where not s.is_gated and not s.is_vetoed
            order by s.a, s.b"""
    ).fetchall()
    outcomes = sorted({(name, row[i]) for row in rows for i, name in enumerate(names) if row[i] is not None})
    place = {outcome: i for i, outcome in enumerate(outcomes)}
    features = np.zeros((len(rows), len(outcomes)))
    for i, row in enumerate(rows):
        for j, name in enumerate(names):
            if row[j] is not None:
                features[i, place[name, row[j]]] = 1
    bits = np.array([row[-2] for row in rows], dtype=float)
    return outcomes, features, bits, np.array([row[-1] for row in rows], dtype=float)


def _ridge(features: Matrix, bits: Matrix, said: Matrix) -> Matrix:
    """Corrections in bits (first of the sum, then of each outcome), by Newton's method; the problem is convex."""
    design = np.hstack([np.ones((len(bits), 1)), features]) * log(2)
    penalty = np.full(design.shape[1], WEIGHT_MAY_BE_OFF**-2)
    penalty[0] = SUM_MAY_BE_OFF**-2
    corrections = np.zeros(design.shape[1])
    for _ in range(50):
        chances = 1 / (1 + np.exp(-np.clip(bits * log(2) + design @ corrections, -30, 30)))
        gradient = design.T @ (said - chances) - penalty * corrections
        curvature = (design * (chances * (1 - chances))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        corrections += step
        if float(np.abs(step).max()) < 1e-6:
            break
    return corrections
