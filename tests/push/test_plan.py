"""What is planned, what is left alone, what is blocked, and why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.connections.connection import Connection
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.push.guards import baseline, is_at_rest
from pipelines.push.plan import plan
from pipelines.push.planned import Plan, PlanError, load_plan
from pipelines.state import baselines, controls, intents, ledger, pins
from pipelines.state.controls import Pilot
from pipelines.state.database import State, now_us
from pipelines.state.intents import Change, Intent
from pipelines.state.ledger import Outcome

Rows = list[tuple[Any, ...]]
DAY = 86_400_000_000


@pytest.fixture
def planned(warehouse: Any, state: State, schemas: dict[str, CanonicalEntity], connect: Any) -> Callable[..., Plan]:
    def run(connection: Connection | None = None, **how: Any) -> Plan:
        return plan(connection or connect(), warehouse.con, state, schemas, **how)

    return run


def rows(made: Plan, *names: str) -> Rows:
    names = names or ("action", "record_key", "field", "old", "new", "why")
    return [tuple(row[name] for name in names) for row in made.rows.to_pylist()]


def creating(policy: str) -> Callable[[Any], None]:
    def change(mapping: Any) -> None:
        mapping["entities"]["contacts"]["push"]["create"] = policy

    return change


def test_a_field_that_differs_is_updated_and_says_where_it_comes_from(warehouse: Any, planned: Any) -> None:
    warehouse.record("g1", "north", "contacts", "1", first_name="Ann", email="old@x.org")
    warehouse.golden("contacts", "g1", since="2026-02-01T00:00:00Z", first_name="Ann", email="new@x.org")
    made = planned()
    (row,) = made.rows.to_pylist()
    assert (row["action"], row["field"], row["old"], row["new"]) == ("update", "email", '"old@x.org"', '"new@x.org"')
    assert (row["source"], row["since"]) == ("south", datetime(2026, 2, 1, tzinfo=UTC))
    assert made.counts["contacts"] == {
        "records": 1, "update": 1, "create": 0, "link": 0, "unlink": 0, "archive": 0, "blocked": 0, "left": 0,
        "unchanged": 0,
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


def settle(state: State, key: str, field: str, sent: str, kept: str | None) -> None:
    intent = Intent(f"i{key}{field}", "r1", "north", "contacts", "update", "g1", key, (Change(field, None, sent, 5),))
    intents.open_all(state, [intent])
    ledger.settle(state, [Outcome(intent, "done", key, 200, read_back={field: kept}, has_read_back=True)])


def test_what_the_crm_made_of_our_value_counts_as_equal(warehouse: Any, planned: Any, state: State) -> None:
    warehouse.record("g1", "north", "contacts", "1", first_name="ANN")
    warehouse.golden("contacts", "g1", first_name="Ann")
    assert not planned().is_empty
    settle(state, "north:1", "first_name", '"Ann"', '"ANN"')
    made = planned()
    assert made.is_empty
    assert rows(made, "why") == [("it writes the value that was sent in its own way",)]
    warehouse.set("staging.north__contacts", "true", first_name="Anna")
    assert rows(planned(), "action", "old") == [("update", '"Anna"')]


def test_a_value_the_crm_dropped_is_listed_and_not_sent_again(warehouse: Any, planned: Any, state: State) -> None:
    warehouse.record("g1", "north", "contacts", "1")
    warehouse.golden("contacts", "g1", first_name="Ann")
    settle(state, "north:1", "first_name", '"Ann"', None)
    assert rows(planned(), "action", "why") == [("none", "it does not keep the value that was sent")]


def test_a_value_that_another_record_has_is_not_written_where_values_are_unique(
    warehouse: Any, planned: Any, connect: Any
) -> None:
    """Twins in one CRM are one golden record; a CRM with unique addresses refuses to give both the same one."""

    def unique(mapping: Any) -> None:
        mapping["entities"]["contacts"]["fields"]["email"] = {"path": "email", "unique": True}

    warehouse.record("g1", "north", "contacts", "1", email="ann@x.org")
    warehouse.record("g1", "north", "contacts", "2")
    warehouse.golden("contacts", "g1", email="ann@x.org", first_name="Ann")
    warehouse.record("g2", "north", "contacts", "3")
    warehouse.record("g2", "north", "contacts", "4")
    warehouse.golden("contacts", "g2", email="lee@x.org")
    made = planned(connect(unique))
    assert sorted(rows(made, "record_key", "field", "action")) == [
        ("north:1", "first_name", "update"),
        ("north:2", "email", "none"),
        ("north:2", "first_name", "update"),
        ("north:3", "email", "update"),
        ("north:4", "email", "none"),
    ]
    assert {row["why"] for row in made.rows.to_pylist() if row["action"] == "none"} == {
        "another record of the CRM has the value"
    }


def test_what_the_crm_owns_is_never_written(warehouse: Any, planned: Any, connect: Any) -> None:
    warehouse.record("g1", "north", "contacts", "1", company="Theirs")
    warehouse.golden("contacts", "g1", company="Ours")
    warehouse.record("g2", "north", "contacts", "2")
    warehouse.golden("contacts", "g2", company="Ours")
    assert rows(planned(), "action", "why") == [("none", "the CRM owns the field")] * 2
    warehouse.record("g3", "south", "contacts", "3", company="Ours", first_name="Ann")
    warehouse.golden("contacts", "g3", company="Ours", first_name="Ann")
    made = planned(connect(creating("all")))
    assert [row["field"] for row in made.rows.to_pylist() if row["action"] == "create"] == ["first_name"]


def test_what_is_ours_is_written_back_over_the_crms_edit(warehouse: Any, planned: Any, connect: Any) -> None:
    def ours(mapping: Any) -> None:
        mapping["entities"]["contacts"]["fields"]["email"] = {"path": "email", "owner": "here"}

    key = warehouse.record("g1", "north", "contacts", "1", email="theirs@x.org")
    warehouse.edit(key, "contacts", "email", "2026-02-02T00:00:00Z")
    warehouse.golden("contacts", "g1", since="2026-01-20T00:00:00Z", email="ours@x.org")
    assert rows(planned(connect(ours)), "action", "new", "why") == [
        ("update", '"ours@x.org"', "edited there; the field is ours")
    ]


def test_both_sides_edited_is_a_conflict(warehouse: Any, planned: Any, state: State) -> None:
    synced = datetime(2026, 2, 1, tzinfo=UTC).timestamp() * 1_000_000
    baselines.save(state, "north", "r0", {("", "synced_at"): synced})
    for number, field, since in (
        ("1", "email", "2026-02-03T00:00:00Z"),
        ("2", "email", "2026-01-20T00:00:00Z"),
        ("3", "company", "2026-02-03T00:00:00Z"),
    ):
        key = warehouse.record(f"g{number}", "north", "contacts", number, **{field: "theirs@x.org"})
        warehouse.edit(key, "contacts", field, "2026-02-02T00:00:00Z")
        warehouse.golden("contacts", f"g{number}", since=since, **{field: "ours@x.org"})
    made = planned()
    assert sorted(rows(made, "record_key", "is_conflict")) == [
        ("north:1", True), ("north:2", False), ("north:3", True),
    ]  # fmt: skip
    assert not is_at_rest(made, state)


def test_an_empty_plan_with_a_conflict_is_carried_out_so_that_it_is_recorded(
    warehouse: Any, planned: Any, state: State
) -> None:
    synced = datetime(2026, 2, 1, tzinfo=UTC).timestamp() * 1_000_000
    key = warehouse.record("g1", "north", "contacts", "1", company="theirs@x.org")
    warehouse.golden("contacts", "g1", since="2026-02-03T00:00:00Z", company="ours@x.org")
    made = planned()
    baselines.save(state, "north", "r0", {("", "synced_at"): synced, **baseline(made.stats)})
    assert is_at_rest(planned(), state)
    warehouse.edit(key, "contacts", "company", "2026-02-02T00:00:00Z")
    assert made.is_empty
    assert not is_at_rest(planned(), state)


def test_a_pin_overrides_the_golden_value(warehouse: Any, planned: Any, state: State) -> None:
    warehouse.record("g1", "north", "contacts", "1", email="a@x.org")
    warehouse.golden("contacts", "g1", email="a@x.org")
    pins.pin(state, "contacts", "g1", "email", value="pinned@x.org", who="ann")
    assert rows(planned(), "action", "new", "source") == [("update", '"pinned@x.org"', "pin")]


def test_a_hold_lasts_until_the_golden_value_changes(warehouse: Any, planned: Any, state: State) -> None:
    warehouse.record("g1", "north", "contacts", "1", email="a@x.org")
    warehouse.golden("contacts", "g1", email="b@x.org")
    with state.write() as connection:
        pins.hold(connection, "r1", [pins.Hold("north:1", "contacts", "email", '"b@x.org"', None, "reverted")])
    assert rows(planned(), "action", "why") == [("none", "reverted")]
    warehouse.set("unified.contacts", "true", email="c@x.org")
    assert rows(planned(), "action", "new") == [("update", '"c@x.org"')]


@pytest.mark.parametrize(
    ("policy", "created"),
    [("none", []), ("linked", ["g1"]), ("all", ["g1", "g2"]), ("last_name = 'Lee'", ["g2"])],
)
def test_create_policies(warehouse: Any, planned: Any, connect: Any, policy: str, created: list[str]) -> None:
    warehouse.record("g1", "south", "contacts", "1", first_name="Ann")
    warehouse.golden("contacts", "g1", first_name="Ann")
    warehouse.record("g2", "local", "contacts", "1", last_name="Lee")
    warehouse.golden("contacts", "g2", last_name="Lee")
    made = planned(connect(creating(policy)))
    assert [row["golden_id"] for row in made.rows.to_pylist()] == created
    assert {row["action"] for row in made.rows.to_pylist()} <= {"create"}
    assert made.rows.num_rows == 0 or made.rows.to_pylist()[0]["record_key"] is None


def test_the_connection_may_set_the_policy(warehouse: Any, planned: Any, connect: Any) -> None:
    warehouse.record("g1", "south", "contacts", "1", first_name="Ann")
    warehouse.golden("contacts", "g1", first_name="Ann")
    assert planned(connect(create="all")).counts["contacts"]["create"] == 1


def test_what_was_deleted_there_is_not_created_again(warehouse: Any, planned: Any, connect: Any, state: State) -> None:
    for golden in ("g1", "g2", "g3"):
        warehouse.record(golden, "south", "contacts", golden, first_name="Ann")
        warehouse.golden("contacts", golden, first_name="Ann")
    warehouse.record("g1", "north", "contacts", "1", _is_deleted=True)
    made_before = Intent("i1", "r1", "north", "contacts", "create", "g2", None, ())
    intents.open_all(state, [made_before])
    ledger.settle(state, [Outcome(made_before, "done", "north:7")])
    assert [row["golden_id"] for row in planned(connect(creating("all"))).rows.to_pylist()] == ["g3"]


def test_golden_records_whose_sources_are_all_gone_are_not_created(warehouse: Any, planned: Any, connect: Any) -> None:
    warehouse.record("g1", "south", "contacts", "1", first_name="Ann", _is_deleted=True)
    warehouse.golden("contacts", "g1", first_name="Ann")
    assert planned(connect(creating("all"))).is_empty


def test_a_record_out_of_scope_is_frozen(warehouse: Any, planned: Any, connect: Any) -> None:
    warehouse.record("g1", "north", "contacts", "1", first_name="A", _is_in_scope=False)
    warehouse.golden("contacts", "g1", first_name="B")
    assert rows(planned(connect(creating("all")))) == []


def test_switches_block_and_show(warehouse: Any, planned: Any, connect: Any, state: State) -> None:
    for number in ("1", "2", "3"):
        warehouse.record(f"g{number}", "north", "contacts", number, first_name="A")
        warehouse.golden("contacts", f"g{number}", first_name="B")
    controls.never(state, "north", "contacts", "1", why="the boss", who="ann")
    made = planned(connect(never_sync=["2"]))
    assert rows(made, "action", "why") == [
        ("blocked", "never synced: the boss"),
        ("blocked", "never synced: by the connection's settings"),
        ("update", "differs"),
    ]
    controls.pause(state, "north", "audit", "ann")
    assert set(rows(planned(), "action", "why")) == {("blocked", "paused: audit")}
    assert set(rows(planned(connect(paused=True)), "action")) == {("blocked",)}


def test_pilots(warehouse: Any, planned: Any) -> None:
    for number in ("1", "2", "3"):
        warehouse.record(f"g{number}", "north", "contacts", number, first_name="A", last_name="A")
        warehouse.golden("contacts", f"g{number}", first_name="B", last_name="B")
    assert planned(pilot=Pilot(limit=2)).counts["contacts"]["update"] == 2
    for name in ("g3", "north:3", "3"):
        made = planned(pilot=Pilot(only=(name,)))
        assert {r[0] for r in rows(made, "record_key", "action") if r[1] == "update"} == {"north:3"}
    assert made.counts["contacts"]["blocked"] == 2


def outcome(state: State, made: Plan, status: str, **more: Any) -> None:
    first = made.rows.to_pylist()[0]
    intent = Intent(
        f"i{now_us()}", "r1", "north", "contacts", first["action"], first["golden_id"], first["record_key"], (),
        first["fingerprint"], first["attempt"],
    )  # fmt: skip
    intents.open_all(state, [intent])
    if status != "open":
        ledger.settle(state, [Outcome(intent, status, **more)])


def test_failures_wait_and_are_tried_again(warehouse: Any, planned: Any, state: State) -> None:
    warehouse.record("g1", "north", "contacts", "1", first_name="A")
    warehouse.golden("contacts", "g1", first_name="B")
    outcome(state, planned(), "failed", error="no", next_attempt_at=now_us() + DAY)
    assert rows(planned(), "action")[0] == ("blocked",)
    assert rows(planned(), "why")[0][0].startswith("failed; next try at 20")
    warehouse.set("unified.contacts", "true", first_name="C")  # other values are tried at once
    assert rows(planned(), "action", "attempt") == [("update", 1)]
    warehouse.set("unified.contacts", "true", first_name="B")
    intents.retry(state)
    assert rows(planned(), "action", "attempt") == [("update", 1)]


def test_a_due_failure_counts_its_tries_and_a_dead_one_stays(warehouse: Any, planned: Any, state: State) -> None:
    warehouse.record("g1", "north", "contacts", "1", first_name="A")
    warehouse.golden("contacts", "g1", first_name="B")
    outcome(state, planned(), "failed", error="no", next_attempt_at=now_us() - 1)
    assert rows(planned(), "action", "attempt") == [("update", 2)]
    outcome(state, planned(), "dead", error="bad value")
    assert rows(planned(), "action", "why") == [("blocked", "given up after 2 tries: bad value")]


def test_open_and_uncertain_writes_block(warehouse: Any, planned: Any, connect: Any, state: State) -> None:
    warehouse.record("g1", "south", "contacts", "1", first_name="A")
    warehouse.golden("contacts", "g1", first_name="A")
    connection = connect(creating("all"))
    outcome(state, planned(connection), "open")
    assert rows(planned(connection), "action", "why") == [("blocked", "its last write is not settled yet")]
    (intent,) = intents.unsettled(state, "north")
    ledger.settle(state, [Outcome(intent, "uncertain")])
    assert rows(planned(connection), "action")[0] == ("blocked",)


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
    path.write_text("{}")
    with pytest.raises(PlanError, match="no plan of this version"):
        load_plan(path)


def test_a_pilot_is_kept_in_state_and_shown(warehouse: Any, planned: Any, state: State) -> None:
    for number in ("1", "2", "3"):
        warehouse.record(f"g{number}", "north", "contacts", number, first_name="Old")
        warehouse.golden("contacts", f"g{number}", first_name="New")
    controls.begin_pilot(state, "north", Pilot(only=("2", "g3")), "ann")
    made = planned()
    assert sorted(rows(made, "source_id", "action", "why")) == [
        ("1", "blocked", "not in the pilot"), ("2", "update", "differs"), ("3", "update", "differs"),
    ]  # fmt: skip
    assert (made.notes, made.is_pilot) == (("pilot: only 2, g3",), True)
    asked = planned(pilot=Pilot(limit=1))  # what is asked for now comes before what is kept
    assert asked.notes == ("pilot: at most 1 records of an entity",)
    controls.end_pilot(state, "north")
    assert planned().counts["contacts"]["update"] == 3


def test_what_an_operator_switched_is_said_at_the_top(planned: Any, state: State, connect: Any) -> None:
    controls.pause(state, "north", "holidays", "ann")
    controls.never(state, "north", "contacts", "1", why="the mayor", who="ann")
    controls.never(state, "south", "contacts", "1", why="another CRM", who="ann")
    assert planned(connect(never_sync=["7"])).notes == ("paused: holidays", "never synced: 2 records")
