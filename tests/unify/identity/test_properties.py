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
    """A connection whose frequencies and model are calibrated once."""
    con = duckdb.connect()
    rows = make_world(60)
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


@FEW
@given(data=st.data())
def test_different_is_never_overruled_not_even_through_third_records(
    fixed: Any, declaration: Any, put_rows: Any, data: st.DataObject
) -> None:
    con, first, rows = fixed
    keys = [row["record_key"] for row in rows]
    chosen = st.lists(st.tuples(st.sampled_from(keys), st.sampled_from(keys)), max_size=6)
    different = [(a, b) for a, b in data.draw(chosen) if a != b]
    twins = [(f"a:{n:04d}", f"b:{n:04d}") for n in range(0, 60, 3)]
    different += data.draw(st.lists(st.sampled_from(twins), max_size=4))
    same = [(a, b) for a, b in data.draw(chosen) if a != b]
    answers = [{"record_key_a": a, "record_key_b": b, "answer": "different"} for a, b in different]
    answers += [{"record_key_a": a, "record_key_b": b, "answer": "same"} for a, b in same]
    if not answers:
        return
    put_rows(con, answers, "said")
    match(con, put_rows(con, rows), declaration, model=first.model, answers="said")
    cluster = dict(con.execute(f"select record_key, cluster from {first.tables.clusters}").fetchall())
    assert all(cluster[a] != cluster[b] for a, b in different)


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
