"""Law L11 where rules decide: an operator's "not the same" always holds, also through third records; so does "same"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.unify.identity.answers import together
from pipelines.unify.identity.declaration import load_declaration
from pipelines.unify.identity.match import match
from pipelines.unify.identity.review import review_pairs

MANY = settings(max_examples=8)
Pairs = list[tuple[int, int]]

WORLDS = {
    "users": [{"connection": "abc"[n % 3], "email": f"u{n // 3}@office.com", "last_name": None} for n in range(12)],
    "properties": [
        {"connection": "ab"[n % 2], "listing_id": f"L{n // 2 % 4}" if n % 3 else None, "unit_number": None,
         "address": f"{n // 4 + 1} Elm Street", "postal_code": "62704", "city": "Austin"}
        for n in range(12)
    ],
    "deals": [
        {"connection": "abc"[n % 3], "property_id": f"p{n // 3}", "stage": "open", "listing_id": f"L{n // 4}",
         "amount": "500000", "currency": "USD"}
        for n in range(12)
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def office() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        yield con


def key(entity: str, number: int) -> str:
    return f"{WORLDS[entity][number]['connection']}:{number}"


def clusters(con: Any, put_rows: Any, entity: str, same: Pairs, different: Pairs) -> dict[str, str]:
    """Record key to cluster, with these answers."""
    said = [{"record_key_a": key(entity, a), "record_key_b": key(entity, b), "answer": word}
            for word, pairs in (("same", same), ("different", different)) for a, b in pairs]  # fmt: skip
    put_rows(con, said or [{"record_key_a": None, "record_key_b": None, "answer": None}], "said")
    rows = [{"record_key": key(entity, n)} | row for n, row in enumerate(WORLDS[entity])]
    summary = match(con, put_rows(con, rows), load_declaration(entity), answers="said")
    return dict(con.execute(f"select record_key, cluster from {summary.tables.clusters}").fetchall())


pair = st.tuples(st.integers(0, 11), st.integers(0, 11)).filter(lambda two: two[0] != two[1])
pairs = st.lists(pair, max_size=6)


@pytest.mark.parametrize("entity", WORLDS)
@MANY
@given(same=pairs, different=pairs)
def test_different_is_never_overruled(office: Any, put_rows: Any, entity: str, same: Pairs, different: Pairs) -> None:
    cluster = clusters(office, put_rows, entity, same, different)
    assert all(cluster[key(entity, a)] != cluster[key(entity, b)] for a, b in different)


@pytest.mark.parametrize("entity", WORLDS)
@MANY
@given(same=pairs)
def test_same_holds_where_nothing_speaks_against_it(office: Any, put_rows: Any, entity: str, same: Pairs) -> None:
    cluster = clusters(office, put_rows, entity, same, [])
    assert all(cluster[key(entity, a)] == cluster[key(entity, b)] for a, b in same)


@pytest.mark.parametrize("entity", WORLDS)
def test_what_rules_would_join_is_parted_by_one_word(office: Any, put_rows: Any, entity: str) -> None:
    """So that the law above is about something: without the word the two are one, through third records, too."""
    before = clusters(office, put_rows, entity, [], [])
    one = next((a, b) for a in range(12) for b in range(a) if before[key(entity, a)] == before[key(entity, b)])
    third = next(n for n in range(12) if n not in one)
    after = clusters(office, put_rows, entity, [(one[0], third), (third, one[1])], [one])
    assert after[key(entity, one[0])] != after[key(entity, one[1])]


@settings(max_examples=200)
@given(same=pairs, different=pairs)
def test_groups_of_same_never_hold_a_different_pair(same: Pairs, different: Pairs) -> None:
    group = together(same, different)
    assert all(group.get(a, -1) != group.get(b, -2) for a, b in different)
    if not different:
        assert all(group[a] == group[b] for a, b in same)


def test_what_fits_two_is_asked_about(con: Any, put_rows: Any) -> None:
    deal = {"property_id": "p1", "stage": "open", "amount": "500000", "currency": "USD"}
    rows = [{"record_key": name, "connection": name[0]} | deal for name in ("a:1", "a:2", "b:1")]
    summary = match(con, put_rows(con, rows), load_declaration("deals"))
    asked = review_pairs(con, 9, matches=summary.tables.matches)
    assert {frozenset((p.record_key_a, p.record_key_b)) for p in asked} == {
        frozenset(("a:1", "b:1")),
        frozenset(("a:2", "b:1")),
    }
    assert all(p.probability == 0.5 for p in asked)
