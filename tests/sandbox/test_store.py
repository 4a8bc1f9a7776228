"""What is written to a CRM is kept, whole or not at all."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.sandbox.store import Record, Store

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), json_values, max_size=5))
def test_a_record_comes_back_as_it_went_in(body: dict[str, object]) -> None:
    store = Store()
    store.add(Record("contacts", "1", body, 1.0, 2.0))
    found = store.get("contacts", 1)
    assert found is not None
    assert found.body == body


def test_an_id_is_taken_once_per_entity() -> None:
    store = Store()
    store.add(Record("contacts", "1", {}, 1, 1))
    store.add(Record("deals", "1", {}, 1, 1))
    with pytest.raises(sqlite3.IntegrityError):
        store.add(Record("contacts", "1", {}, 1, 1))
    assert store.entities() == ["contacts", "deals"]


def test_an_error_undoes_the_whole_transaction(tmp_path: Path) -> None:
    store = Store(tmp_path / "crm.sqlite")
    store.add(Record("contacts", "1", {"n": 1}, 1, 1))
    twice = [Record("contacts", "2", {}, 1, 1), Record("contacts", "1", {}, 1, 1)]
    with pytest.raises(sqlite3.IntegrityError):
        store.fill(twice)
    assert [r.id for r in Store(tmp_path / "crm.sqlite").select("contacts")] == ["1"]


def test_records_are_found_by_what_they_say() -> None:
    store = Store()
    store.fill(Record("contacts", str(n), {"email": f"{n % 3}@x.com", "deep": {"n": n}}, n, n) for n in range(9))
    assert [r.id for r in store.select("contacts", "body ->> '$.email' = ?", ["1@x.com"], order="seq desc")] == list(
        "741"
    )
    assert store.count("contacts", "body ->> '$.deep.n' >= ?", [7]) == 2
    assert [r.id for r in store.select("contacts", limit=2, offset=4)] == ["4", "5"]


def test_a_deleted_record_is_marked_not_lost() -> None:
    store = Store()
    record = store.add(Record("contacts", "1", {}, 1, 1))
    record.deleted = True
    store.save(record)
    assert store.select("contacts") == []
    assert [r.deleted for r in store.select("contacts", "true")] == [True]


def test_numbers_are_never_given_twice(tmp_path: Path) -> None:
    store = Store(tmp_path / "crm.sqlite")
    given = [store.next_number("contacts", 100) for _ in range(3)]
    store.close()
    assert [*given, Store(tmp_path / "crm.sqlite").next_number("contacts", 100)] == [100, 101, 102, 103]
