"""What holds a record back: switches, pilots, writes that failed or whose outcome nobody knows."""

from __future__ import annotations

from typing import Any

from push_warehouse import creating, rows

from pipelines.push.planned import Plan
from pipelines.state import controls, intents, ledger
from pipelines.state.controls import Pilot
from pipelines.state.database import State, now_us
from pipelines.state.intents import Intent
from pipelines.state.ledger import Outcome

DAY = 86_400_000_000


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
