"""What a plan finds, and where it says it comes from."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from push_warehouse import creating, rows

from pipelines.push.planned import PlanError, load_plan
from pipelines.state.database import State

DAY = 86_400_000_000


def test_a_field_that_differs_is_updated_and_says_where_it_comes_from(warehouse: Any, planned: Any) -> None:
    warehouse.record("g1", "north", "contacts", "1", first_name="Ann", email="old@x.org")
    warehouse.golden("contacts", "g1", since="2026-02-01T00:00:00Z", first_name="Ann", email="new@x.org")
    made = planned()
    (row,) = made.rows.to_pylist()
    assert (row["action"], row["field"], row["old"], row["new"]) == ("update", "email", '"old@x.org"', '"new@x.org"')
    assert (row["source"], row["since"]) == ("south", datetime(2026, 2, 1, tzinfo=UTC))
    assert made.counts["contacts"] == {
        "records": 1, "update": 1, "create": 0, "link": 0, "unlink": 0, "archive": 0, "blocked": 0, "left": 0,
        "changed": 1, "unchanged": 0,
    }  # fmt: skip


def test_records_that_agree_give_an_empty_plan(warehouse: Any, planned: Any) -> None:
    values = {"first_name": "Ann", "tags": ["a", "b"], "notes": "n", "phone": "+12025550123"}
    warehouse.record("g1", "north", "contacts", "1", **values)
    warehouse.golden("contacts", "g1", **{**values, "tags": ["b", "a"]})
    made = planned()
    assert rows(made) == []
    assert made.is_empty


def test_nothing_is_emptied_and_nothing_unknown_is_overwritten(warehouse: Any, planned: Any) -> None:
    warehouse.record("g1", "north", "contacts", "1", first_name="Ann", tags=["a"])
    warehouse.golden("contacts", "g1", tags=[])
    warehouse.record(
        "g2", "north", "contacts", "2", _absent_fields=["phone"], _unreadable_fields=["email"], last_name="Lee"
    )
    warehouse.golden("contacts", "g2", phone="+1", email="a@b.c")
    assert rows(planned(), "action", "field", "why") == [
        ("none", "email", "its value cannot be read"),
        ("none", "phone", "its record has no such field"),
    ]


def test_write_rules(warehouse: Any, planned: Any) -> None:
    warehouse.record("g1", "north", "contacts", "1", notes="mine", rating="hot")
    warehouse.golden("contacts", "g1", notes="yours", rating="cold")
    warehouse.record("g2", "north", "contacts", "2")
    warehouse.golden("contacts", "g2", notes="yours")
    assert rows(planned(), "action", "record_key", "field") == [("update", "north:2", "notes")]


def test_a_union_only_adds(warehouse: Any, planned: Any) -> None:
    warehouse.record("g1", "north", "contacts", "1", tags=["a", "x"])
    warehouse.golden("contacts", "g1", tags=["a"])
    warehouse.record("g2", "north", "contacts", "2", tags=["a"])
    warehouse.golden("contacts", "g2", tags=["a", "b"])
    assert rows(planned(), "record_key", "new") == [("north:2", '["a","b"]')]


def test_a_record_out_of_scope_is_frozen(warehouse: Any, planned: Any, connect: Any) -> None:
    warehouse.record("g1", "north", "contacts", "1", first_name="A", _is_in_scope=False)
    warehouse.golden("contacts", "g1", first_name="B")
    assert rows(planned(connect(creating("all")))) == []


def test_references_are_compared_as_golden_ids_and_sent_where_they_exist(warehouse: Any, planned: Any) -> None:
    for number in ("1", "2"):
        warehouse.record(f"c{number}", "north", "contacts", number)
        warehouse.golden("contacts", f"c{number}")
    warehouse.record("c3", "south", "contacts", "3")
    warehouse.golden("contacts", "c3")
    warehouse.record("d1", "north", "deals", "1", contact_ids=["north:1"])
    warehouse.golden("deals", "d1", contact_ids=["c1", "c2", "c3"])
    warehouse.record("d2", "north", "deals", "2", contact_ids=["north:1"])
    warehouse.golden("deals", "d2", contact_ids=["c1", "c3"])
    made = planned()
    assert rows(made, "record_key", "field", "new") == [("north:1", "contact_ids", '["c1","c2"]')]
    assert sorted(map(tuple, (r.values() for r in made.references.to_pylist()))) == [
        ("contacts", "c1", "1"),
        ("contacts", "c2", "2"),
    ]


def test_a_reference_to_a_record_that_is_created_in_the_same_run(warehouse: Any, planned: Any, connect: Any) -> None:
    warehouse.record("c3", "south", "contacts", "3", first_name="Ann")
    warehouse.golden("contacts", "c3", first_name="Ann")
    warehouse.record("d1", "north", "deals", "1")
    warehouse.golden("deals", "d1", contact_ids=["c3"])
    made = planned(connect(creating("all")))
    assert rows(made, "entity", "action", "new") == [("contacts", "create", '"Ann"'), ("deals", "update", '["c3"]')]


def test_money_and_other_types_compare_as_they_are(warehouse: Any, planned: Any) -> None:
    warehouse.record("d1", "north", "deals", "1", amount="100.00", name="A")
    warehouse.golden("deals", "d1", amount=100, name="A")
    assert planned().is_empty
    warehouse.set("unified.deals", "true", amount="100.5")
    assert rows(planned(), "old", "new") == [("100.00", "100.50")]


def test_a_plan_changes_neither_state_nor_warehouse(warehouse: Any, planned: Any, state: State) -> None:
    warehouse.record("g1", "north", "contacts", "1", first_name="A")
    warehouse.golden("contacts", "g1", first_name="B")
    with state.read() as connection:
        before = "".join(connection.connection.dbapi_connection.iterdump())  # type: ignore[union-attr]
    tables = warehouse.con.execute("SELECT count(*) FROM duckdb_tables()").fetchall()
    planned()
    with state.read() as connection:
        assert "".join(connection.connection.dbapi_connection.iterdump()) == before  # type: ignore[union-attr]
    assert warehouse.con.execute("SELECT count(*) FROM duckdb_tables()").fetchall() == tables


def test_a_plan_is_saved_and_loaded_as_it_was(warehouse: Any, planned: Any, tmp_path: Path) -> None:
    warehouse.record("g1", "north", "contacts", "1", first_name="A", _values_hash=2**63 + 5)
    warehouse.golden("contacts", "g1", first_name="Bö")
    made = planned()
    path = tmp_path / "plan.json"
    made.save(path)
    loaded = load_plan(path)
    assert loaded == made
    assert loaded.plan_id == made.plan_id
    path.write_text(path.read_text().replace("B\\u00f6", "Evil"))
    with pytest.raises(PlanError, match="changed since it was saved"):
        load_plan(path)
    made.save(path)
    path.write_text(path.read_text().replace('"guard": []', '"guard": ["too much"]'))
    with pytest.raises(PlanError, match="changed since it was saved"):
        load_plan(path)
    path.write_text("{}")
    with pytest.raises(PlanError, match="no plan of this version"):
        load_plan(path)
