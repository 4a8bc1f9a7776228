"""Fit the shipped weights to a set of records, without labels and without wandering.

Three things differ between sets and can be seen without labels: how many pairs are one person (the prior), how dirty
each column is (what agreement looks like among records that are certainly one person), and what strangers look like
(pairs drawn at random). A column's dirt is measured only on pairs that are certain *without that column*, and is
blended with what the shipped weights say, so that a column nobody can judge keeps its weights. Households are never
re-estimated from candidates: that is what lets re-trained models wander.
"""

from __future__ import annotations

from math import log2

import duckdb

from pipelines.unify.identity.declaration import IdentityDeclaration
from pipelines.unify.identity.model import Level, Model, load_model
from pipelines.unify.identity.scoring import compared_query, ends, make_near, make_scores, weighed_query
from pipelines.unify.identity.sqlmodels import build

SAMPLE = 150_000
"""Candidate pairs that are looked at, and pairs drawn at random."""
CERTAIN_BITS = 7.0
SHIPPED_COUNTS_AS = 60.0
"""Certain pairs that the shipped weights count as, when blended with what is seen."""
PRIOR_SHIPPED_COUNTS_AS = 30.0
"""Records that the shipped prior counts as: it matters in the smallest sets only."""
STRANGERS_SHIPPED_COUNT_AS = 2_000.0
ROUNDS = 3


def calibrate(
    con: duckdb.DuckDBPyConnection, declaration: IdentityDeclaration, model: Model, *, known: str, population: int
) -> Model:
    """The shipped model, fitted to the records of `known` and their `identity_pairs`.

    Args:
        population: how many records the frequencies were counted on.
    """
    fitted = model.model_copy(deep=True, update={"population": population})
    fitted = _with_strangers(con, declaration, fitted, known)
    share = _sample_pairs(con)
    make_near(con, "identity_sampled", ends("identity_sample_pairs"), known)
    compared = compared_query("identity_sample_pairs", known="identity_sampled")
    con.execute(f"create or replace temp table identity_sample_compared as {compared}")
    for _ in range(ROUNDS):
        weighed = weighed_query("identity_sample_compared", declaration, fitted, explain=True)
        con.execute(f"create or replace temp table identity_sample as {weighed}")
        fitted = _with_same(con, declaration.comparisons, fitted, records=population * share)
    for table in ("sample", "sample_compared", "sample_pairs", "sampled"):
        con.execute(f"drop table identity_{table}")
    return fitted


def _sample_pairs(con: duckdb.DuckDBPyConnection) -> float:
    pairs = int(con.execute("select count(*) from identity_pairs").fetchall()[0][0])
    one_in = max(1, pairs // SAMPLE)
    con.execute(
        f"""create or replace temp table identity_sample_pairs as
            select * from identity_pairs where hash(a, b) % {one_in} = 0"""
    )
    return 1 / one_in


def _with_strangers(
    con: duckdb.DuckDBPyConnection, declaration: IdentityDeclaration, model: Model, known: str
) -> Model:
    population = model.population or 1
    neighbours = max(1, min(population - 1, SAMPLE // population))
    build(
        con,
        "identity_random_pairs",
        known=known,
        identifiers=list(declaration.identifiers),
        neighbours=neighbours,
        draws=SAMPLE // neighbours,
    )
    make_scores(con, "identity_strangers", "identity_random_pairs", declaration, model, known=known)
    fitted = model.model_copy(deep=True)
    for name in declaration.comparisons:
        query = (
            f"select {name}, sum(1 / (1 + pow(2, bits))) from identity_strangers where {name} is not null group by 1"
        )
        counts = {str(level): float(count) for level, count in con.execute(query).fetchall()}
        fitted.comparisons[name] |= _strangers(counts, model.comparisons[name])
    con.execute("drop table identity_strangers")
    con.execute("drop table identity_random_pairs")
    return fitted


def _strangers(counts: dict[str, float], levels: dict[str, Level]) -> dict[str, Level]:
    """Outcomes whose chance is a frequency, and those that are not fitted, stay; households follow in proportion."""
    fitted = {}
    for alternatives in _groups(levels):
        total = sum(counts.get(level, 0) for level in alternatives) + STRANGERS_SHIPPED_COUNT_AS
        for level, chances in alternatives.items():
            if not chances.fit or not isinstance(chances.stranger, float):
                continue
            seen = (counts.get(level, 0) + STRANGERS_SHIPPED_COUNT_AS * chances.stranger) / total
            household = min(chances.household * seen / chances.stranger, 1)
            fitted[level] = chances.model_copy(update={"stranger": round(seen, 8), "household": round(household, 8)})
    return fitted


def _groups(levels: dict[str, Level]) -> list[dict[str, Level]]:
    names = sorted({chances.group for chances in levels.values()})
    return [{level: chances for level, chances in levels.items() if chances.group == name} for name in names]


def _with_same(con: duckdb.DuckDBPyConnection, comparisons: list[str], model: Model, records: float) -> Model:
    fitted = model.model_copy(deep=True)
    fitted.prior.same_pairs_per_record = _prior(con, model, records)
    for name in comparisons:
        fitted.comparisons[name] = _dirt(con, name, model.comparisons[name])
    return fitted


def _prior(con: duckdb.DuckDBPyConnection, model: Model, records: float) -> float:
    shipped = load_model().prior.same_pairs_per_record
    old = rate = model.prior.same_pairs_per_record
    histogram = con.execute(
        "select round(bits, 1)::double, count(*) from identity_sample where not is_gated group by 1 order by 1"
    ).fetchall()
    for _ in range(20):
        shift = log2(rate / old)
        seen = sum(count / (1 + 2.0 ** -(bits + shift)) for bits, count in histogram)
        rate = (seen + shipped * PRIOR_SHIPPED_COUNTS_AS) / (records + PRIOR_SHIPPED_COUNTS_AS)
        rate = min(max(rate, 0.02), 4.0)
    return round(rate, 4)


def _dirt(con: duckdb.DuckDBPyConnection, name: str, levels: dict[str, Level]) -> dict[str, Level]:
    without = f"same_bits - same_{name} - log2(1 + pow(2, household_bits - household_{name}))"
    query = f"""select {name}, count(*) from identity_sample
                where {name} is not null and {without} >= {CERTAIN_BITS} group by 1"""
    counts = {str(level): float(count) for level, count in con.execute(query).fetchall()}
    for level, chances in levels.items():
        if chances.like:
            counts[chances.like] = counts.get(chances.like, 0) + counts.pop(level, 0)
    blended: dict[str, float] = {}
    for alternatives in _groups(levels):
        own = {level: chances.same for level, chances in alternatives.items() if chances.fit and not chances.like}
        blended |= _blend(counts, own)
    return {
        level: chances.model_copy(update={"same": blended.get(chances.like or level, chances.same)})
        for level, chances in levels.items()
    }


def _blend(counts: dict[str, float], shipped: dict[str, float]) -> dict[str, float]:
    whole = sum(shipped.values())
    blended = {level: counts.get(level, 0) + SHIPPED_COUNTS_AS * share / whole for level, share in shipped.items()}
    total = sum(blended.values())
    return {level: max(round(count / total, 6), 0.0005) for level, count in blended.items()}
