"""A cluster is looked at as a whole: weak bridges are not crossed, contradictions split, its size is bounded."""

from __future__ import annotations

from itertools import combinations, product

import duckdb
import pytest

from pipelines.unify.identity.clusters import make_components, merge_best

TIGHT, WEAK, SILENT = 6.0, 2.0, -20.0
Pair = tuple[int, int]


def clusters(
    con: duckdb.DuckDBPyConnection,
    bits: dict[Pair, float],
    *,
    differing: frozenset[Pair] = frozenset(),
    vetoed: frozenset[Pair] = frozenset(),
    largest: int = 50,
) -> set[frozenset[int]]:
    """What becomes of records whose pairs weigh so much; those of `differing` have other given names."""
    con.execute("create temp table identity_ties (a ubigint, b ubigint)")
    con.execute("create temp table identity_answers (a ubigint, b ubigint, is_same boolean)")
    con.execute("create temp table identity_same (rid ubigint, same ubigint)")
    con.execute(
        """create temp table identity_inner_scores (a ubigint, b ubigint, bits float, is_gated boolean,
            is_vetoed boolean, given_name varchar, birth_date varchar, national_id varchar)"""
    )
    con.executemany("insert into identity_ties values (?, ?)", [pair for pair, bit in bits.items() if bit > 0])
    rows = [
        [*pair, bit, False, pair in vetoed, "different" if pair in differing else "exact", None, None]
        for pair, bit in bits.items()
    ]
    con.executemany("insert into identity_inner_scores values (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    make_components(con)
    con.execute("create temp table identity_members as select rid, rid as cluster from identity_components")
    merge_best(con, match_bits=0.9, largest=largest)
    found = con.execute("select list(rid) from identity_members group by cluster").fetchall()
    return {frozenset(group) for (group,) in found}


def two_groups(across: float) -> dict[Pair, float]:
    """1, 2, 3 and 4, 5, 6: tight in themselves, `across` between them, but for 3 and 4."""
    inside = dict.fromkeys([*combinations((1, 2, 3), 2), *combinations((4, 5, 6), 2)], TIGHT)
    return inside | dict.fromkeys(product((1, 2, 3), (4, 5, 6)), across) | {(3, 4): WEAK}


@pytest.mark.parametrize("differ", [True, False])
def test_a_weak_bridge_between_two_tight_groups_is_not_crossed(con: duckdb.DuckDBPyConnection, differ: bool) -> None:
    """Whether the others contradict each other, or merely have nothing in common."""
    across = frozenset(product((1, 2, 3), (4, 5, 6))) - {(3, 4)} if differ else frozenset()
    found = clusters(con, two_groups(SILENT), differing=across)
    assert found == {frozenset({1, 2, 3}), frozenset({4, 5, 6})}


def test_groups_that_many_ties_join_are_one(con: duckdb.DuckDBPyConnection) -> None:
    assert clusters(con, two_groups(WEAK)) == {frozenset({1, 2, 3, 4, 5, 6})}


def test_records_that_a_third_joins_are_one_where_nothing_contradicts(con: duckdb.DuckDBPyConnection) -> None:
    assert clusters(con, {(1, 2): TIGHT, (2, 3): TIGHT, (1, 3): SILENT}) == {frozenset({1, 2, 3})}


def test_a_contradiction_splits_what_a_third_record_joins(con: duckdb.DuckDBPyConnection) -> None:
    found = clusters(con, {(1, 2): TIGHT + 1, (2, 3): TIGHT, (1, 3): TIGHT}, vetoed=frozenset({(1, 3)}))
    assert found == {frozenset({1, 2}), frozenset({3})}, "the stronger tie holds"


def test_no_cluster_grows_beyond_its_bound(con: duckdb.DuckDBPyConnection) -> None:
    found = clusters(con, dict.fromkeys(combinations(range(9), 2), TIGHT), largest=4)
    assert max(map(len, found)) <= 4
    assert len(found) < 9
