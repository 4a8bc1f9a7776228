"""What a plan lists and does not write: echoes, values that are taken, owners, conflicts, pins and holds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from push_warehouse import creating, rows

from pipelines.push.guards import baseline, is_at_rest
from pipelines.state import baselines, intents, ledger, pins
from pipelines.state.database import State
from pipelines.state.intents import Change, Intent
from pipelines.state.ledger import Outcome

DAY = 86_400_000_000


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
