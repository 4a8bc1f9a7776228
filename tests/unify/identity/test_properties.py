"""Laws of matching, with the model and its frequencies held fixed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.unify.identity.declaration import IdentityDeclaration
from pipelines.unify.identity.match import MatchSummary, match

Row = dict[str, Any]
FEW = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def fixed(
    declaration: IdentityDeclaration, make_world: Callable[..., list[Row]], put_rows: Callable[..., str]
) -> tuple[duckdb.DuckDBPyConnection, MatchSummary, list[Row]]:
    """A connection whose frequencies and model are calibrated once; of every sixth person there are three records."""
    con = duckdb.connect()
    rows = make_world(60)
    rows += [row | {"record_key": f"c:{row['truth']:04d}"} for row in rows[:60] if row["record_key"] < "b"][::6]
    return con, match(con, put_rows(con, rows), declaration), rows


@FEW
@given(seed=st.integers(0, 1_000_000))
def test_the_order_of_records_changes_nothing(
    fixed: Any, declaration: Any, put_rows: Any, groups_of: Any, seed: int
) -> None:
    con, first, rows = fixed
    match(con, put_rows(con, rows), declaration, model=first.model)
    before = groups_of(con, first.tables.clusters)
    shuffled = random.Random(seed).sample(rows, len(rows))
    match(con, put_rows(con, shuffled), declaration, model=first.model)
    assert groups_of(con, first.tables.clusters) == before


@FEW
@given(letters=st.text("xzqjw", min_size=6, max_size=9), digits=st.integers(10**6, 10**7 - 1))
def test_an_unrelated_record_changes_no_cluster(
    fixed: Any, declaration: Any, put_rows: Any, groups_of: Any, letters: str, digits: int
) -> None:
    con, first, rows = fixed
    match(con, put_rows(con, rows), declaration, model=first.model)
    before = groups_of(con, first.tables.clusters)
    stranger = {"record_key": "z:1", "first_name": letters, "last_name": letters[::-1], "phone": f"+49{digits}"}
    match(con, put_rows(con, [*rows, stranger]), declaration, model=first.model)
    assert groups_of(con, first.tables.clusters) == before | {frozenset({"z:1"})}


KEYS = [f"a:{n:04d}" for n in range(60)] + [f"b:{n:04d}" for n in range(0, 60, 3)]
TWINS = [(f"a:{n:04d}", f"b:{n:04d}") for n in range(0, 60, 3)]
Pairs = list[tuple[str, str]]
chosen = st.lists(
    st.tuples(st.sampled_from(KEYS), st.sampled_from(KEYS)).filter(lambda two: two[0] != two[1]), max_size=5
)


def clusters_of(fixed: Any, declaration: Any, put_rows: Any, same: Pairs, different: Pairs) -> dict[str, str]:
    """Record key to cluster, with these answers."""
    con, first, rows = fixed
    said = [{"record_key_a": a, "record_key_b": b, "answer": word}
            for word, pairs in (("same", same), ("different", different)) for a, b in pairs]  # fmt: skip
    put_rows(con, said, "said")
    match(con, put_rows(con, rows), declaration, model=first.model, answers="said")
    return dict(con.execute(f"select record_key, cluster from {first.tables.clusters}").fetchall())


@settings(FEW, max_examples=8)
@given(different=chosen, same=chosen, twins=st.lists(st.sampled_from(TWINS), min_size=1, max_size=4), third=st.data())
def test_different_is_never_overruled_not_even_through_third_records(
    fixed: Any, declaration: Any, put_rows: Any, different: Pairs, same: Pairs, twins: Pairs, third: st.DataObject
) -> None:
    """Twins alike in all but a column, a third copy of some, and a record that is said to be the same as both."""
    bridges = [(key, third.draw(st.sampled_from(KEYS))) for pair in twins for key in pair]
    bridges += [(b, other) for (_, b), (_, other) in zip(twins, bridges[::2], strict=True)]
    same = [(a, b) for a, b in same + bridges if a != b]
    cluster = clusters_of(fixed, declaration, put_rows, same, different + twins)
    assert all(cluster[a] != cluster[b] for a, b in different + twins)


def test_a_third_copy_ties_nobody_whom_an_operator_parted(fixed: Any, declaration: Any, put_rows: Any) -> None:
    before = clusters_of(fixed, declaration, put_rows, [("a:0001", "a:0002")], [])
    assert before["a:0006"] == before["b:0006"] == before["c:0006"]
    after = clusters_of(fixed, declaration, put_rows, [], [("a:0006", "b:0006")])
    assert after["a:0006"] != after["b:0006"]


def test_same_always_holds(fixed: Any, declaration: Any, put_rows: Any) -> None:
    con, first, rows = fixed
    put_rows(con, [{"record_key_a": "a:0001", "record_key_b": "a:0002", "answer": "same"},
                   {"record_key_a": "a:0002", "record_key_b": "a:0004", "answer": "same"}], "said")  # fmt: skip
    match(con, put_rows(con, rows), declaration, model=first.model, answers="said")
    cluster = dict(con.execute(f"select record_key, cluster from {first.tables.clusters}").fetchall())
    assert cluster["a:0001"] == cluster["a:0002"] == cluster["a:0004"]


def test_a_rerun_changes_nothing(fixed: Any, declaration: Any, put_rows: Any) -> None:
    con, first, rows = fixed
    tables = first.tables

    def result() -> list[tuple[Any, ...]]:
        match(con, put_rows(con, rows), declaration, model=first.model)
        return (
            con.execute(f"from {tables.clusters} order by all").fetchall()
            + con.execute(f"from {tables.matches} order by all").fetchall()
        )

    assert result() == result()


def test_calibration_is_the_same_every_time(declaration: Any, make_world: Any, put_rows: Any) -> None:
    models = []
    for rows in (make_world(60), make_world(60)[::-1]):
        con = duckdb.connect()
        models.append(match(con, put_rows(con, rows), declaration).model)
    assert models[0] == models[1]
