"""Plans carried out against a CRM in memory: calls, ledger, twins, references, what stops a push."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from echo_lines import echo_lines
from push_warehouse import creating

from pipelines.push.guards import GuardTripped
from pipelines.push.plan import plan
from pipelines.push.planned import PlanError, load_plan
from pipelines.state import controls, intents, ledger, registry


def test_an_update_is_sent_written_down_and_needs_no_second_run(room: Any) -> None:
    room.differing(1)
    done = room.push()
    assert room.crm.records["contacts"]["1"]["first"] == "New"
    assert room.crm.calls == ["GET /contacts/1", "PATCH /contacts/1"]
    assert done.counts == {"contacts": {"done": 1, "sent": 1}}
    assert room.lines() == [("north:1", "first_name", '"Old"', '"New"', '"New"', "done")]
    assert ledger.of_run(room.state, "r1")[0]["correlation_id"] == "q2"
    assert room.push().calls > 0  # the warehouse still says Old: the CRM says otherwise, so it is skipped
    assert room.lines()[1][5] == "skipped"


def test_only_what_differs_is_sent(room: Any) -> None:
    room.differing(1, last_name="Lee")
    room.push()
    assert room.crm.written == [("contacts", "1", {"first": "New", "last": "Lee"})]


def test_what_the_crm_makes_of_a_value_is_remembered(room: Any) -> None:
    room.crm.normalise = lambda _, value: value.upper() if isinstance(value, str) else value
    room.differing(1)
    room.push()
    assert room.lines()[0][4] == '"NEW"'
    room.warehouse.set("staging.north__contacts", "true", first_name="NEW")
    made = plan(room.connect(), room.warehouse.con, room.state, room.schemas)
    assert made.is_empty


def test_an_answer_without_the_record_is_read_back(room: Any) -> None:
    def silent(mapping: Any) -> None:
        del mapping["entities"]["contacts"]["push"]["answer_record"]

    room.crm.normalise = lambda _, value: value.upper()
    room.differing(1)
    room.push(room.connect(silent))
    assert room.crm.calls == ["GET /contacts/1", "PATCH /contacts/1", "GET /contacts/1"]
    assert room.lines()[0][4] == '"NEW"'


def test_a_record_that_changed_since_is_left_alone(room: Any) -> None:
    room.differing(1)
    room.crm.edit("contacts", "1", last="Changed")
    done = room.push()
    assert room.crm.records["contacts"]["1"]["first"] == "Old"
    assert done.counts == {"contacts": {"skipped": 1, "sent": 0}}
    room.differing(2)
    del room.crm.records["contacts"]["2"]
    room.push()
    assert next(line for line in room.lines() if line[0] == "north:2")[5] == "skipped"


def test_without_a_modification_time_the_content_is_compared(room: Any) -> None:
    def timeless(mapping: Any) -> None:
        del mapping["entities"]["contacts"]["modified"]

    for number in (1, 2):
        room.differing(number)
        room.warehouse.set("staging.north__contacts", "true", modified_at=None)
    room.crm.edit("contacts", "1", first="Edited")
    done = room.push(room.connect(timeless))
    assert done.counts == {"contacts": {"skipped": 1, "done": 1, "sent": 1}}


def test_a_record_is_created_and_known_at_once(room: Any) -> None:
    room.lacking(1, email="ann@x.org", first_name="Ann")
    done = room.push(room.connect(creating()))
    assert done.counts == {"contacts": {"done": 1, "sent": 1}}
    assert room.crm.records["contacts"]["1000"]["email"] == "ann@x.org"
    assert registry.golden_of(room.state, "contacts", ["north:1000"]) == {"north:1000": "g1"}
    assert room.push(room.connect(creating())).counts == {}
    assert room.crm.created.total() == 1


def test_a_twin_is_adopted_and_not_created(room: Any) -> None:
    room.lacking(1, email="ann@x.org", first_name="Ann")
    room.crm.put("contacts", "5", email="Ann@X.org", first="Anna")
    done = room.push(room.connect(creating()))
    assert done.counts == {"contacts": {"adopted": 1, "sent": 0}}
    assert registry.golden_of(room.state, "contacts", ["north:5"]) == {"north:5": "g1"}
    assert room.crm.created.total() == 0
    assert echo_lines(room.state, "contacts") == []


def test_a_twin_that_belongs_to_somebody_else_is_not_taken(room: Any) -> None:
    import pyarrow as pa

    room.lacking(1, email="family@x.org", first_name="Ann")
    room.crm.put("contacts", "5", email="family@x.org", first="Bob")
    since = pa.array([0], pa.timestamp("us", tz="UTC"))
    registry.apply(room.state, "contacts", pa.table({"record_key": ["north:5"], "golden_id": ["g9"], "since": since}))
    done = room.push(room.connect(creating()))
    assert done.counts == {"contacts": {"failed": 1, "sent": 0}}, "told to people, not tried at every run"
    assert registry.golden_of(room.state, "contacts", ["north:5"]) == {"north:5": "g9"}


def test_two_with_one_key_are_not_both_created(room: Any) -> None:
    room.lacking(1, email="family@x.org", first_name="Ann")
    room.lacking(2, email="Family@x.org", first_name="Bob")
    done = room.push(room.connect(creating()))
    assert done.counts == {"contacts": {"done": 1, "skipped": 1, "sent": 1}}


def test_ids_that_were_just_given_are_used(room: Any) -> None:
    room.lacking(1, email="ann@x.org")
    room.warehouse.record("d1", "south", "deals", "1", name="House")
    room.warehouse.golden("deals", "d1", name="House", contact_ids=["g1"])
    room.push(room.connect(creating()))
    (deal,) = room.crm.records["deals"].values()
    assert deal["contactIds"] == ["1000"]


def test_links_are_written_after_both_sides(room: Any) -> None:
    def linked(mapping: Any) -> None:
        creating()(mapping)
        push = mapping["entities"]["deals"]["push"]
        push["fields"] = ["name"]
        push["links"] = [{"field": "contact_ids", "add": {"method": "PUT", "path": "links/deals/{id}/{value}"}}]

    room.lacking(1, email="ann@x.org")
    room.warehouse.record("d1", "south", "deals", "1", name="House")
    room.warehouse.golden("deals", "d1", name="House", contact_ids=["g1"])
    done = room.push(room.connect(linked))
    assert room.crm.links == {("deals", "1001", "1000")}
    assert done.counts["deals"] == {"done": 2, "sent": 2}


def test_a_saved_plan_is_applied_as_it_was(room: Any, tmp_path: Path) -> None:
    room.differing(1)
    room.differing(2)
    connection = room.connect()
    plan(connection, room.warehouse.con, room.state, room.schemas).save(tmp_path / "plan.json")
    room.crm.edit("contacts", "2", first="Meanwhile")
    room.warehouse.set("unified.contacts", "true", first_name="Later")
    done = room.apply(load_plan(tmp_path / "plan.json"), connection)
    assert done.counts == {"contacts": {"done": 1, "skipped": 1, "sent": 1}}
    assert room.crm.records["contacts"]["1"]["first"] == "New"
    assert room.crm.records["contacts"]["2"]["first"] == "Meanwhile"


@pytest.mark.parametrize("fault", [None, "lost"])
def test_a_saved_plan_creates_nobody_twice(room: Any, tmp_path: Path, fault: str | None) -> None:
    """Who has no key to be found by would be made again; and what is uncertain is never sent again unasked."""
    room.lacking(1, first_name="Ann")
    connection = room.connect(creating())
    plan(connection, room.warehouse.con, room.state, room.schemas).save(tmp_path / "plan.json")
    room.crm.strike = lambda request: fault if request.method == "POST" else None
    room.apply(load_plan(tmp_path / "plan.json"), connection)
    room.crm.strike = None
    done = room.apply(load_plan(tmp_path / "plan.json"), connection)
    assert done.counts == {"contacts": {"skipped": 1, "sent": 0}}
    assert room.crm.created.total() == 1
    assert [one["status"] for one in intents.failures(room.state)] == (["uncertain"] if fault else [])


def test_a_plan_over_a_guard_sends_nothing(room: Any) -> None:
    for number in range(20):
        room.differing(number)
    connection = room.connect()
    room.push(connection)
    for number in range(20):
        there = room.crm.records["contacts"][str(number)]["updated"]
        room.warehouse.set("staging.north__contacts", f"source_id = '{number}'", first_name="New", modified_at=there)
    room.warehouse.set("unified.contacts", "true", first_name="Bob")
    with pytest.raises(GuardTripped, match="20 of 20 records would change") as tripped:
        room.push(connection)
    assert tripped.value.exit_code == 5
    assert room.crm.count("PATCH") == 20
    assert room.push(connection, allow_mass_change=True).counts == {"contacts": {"done": 20, "sent": 20}}


def test_a_pause_after_the_plan_still_holds(room: Any) -> None:
    room.differing(1)
    connection = room.connect()
    made = plan(connection, room.warehouse.con, room.state, room.schemas)
    controls.pause(room.state, "north", "audit", "ann")
    with pytest.raises(PlanError, match="paused: audit"):
        room.apply(made, connection)
    assert room.crm.calls == []


def test_conflicts_are_recorded_with_both_values(room: Any) -> None:
    room.differing(1)
    connection = room.connect()
    made = plan(connection, room.warehouse.con, room.state, room.schemas)
    rows = made.rows.set_column(made.rows.schema.get_field_index("is_conflict"), "is_conflict", [[True]])
    room.apply(type(made)(**{**vars(made), "rows": rows}), connection)
    with room.state.read() as opened:
        found = opened.exec_driver_sql("SELECT ours, theirs, kept FROM conflicts").fetchall()
    assert [tuple(row) for row in found] == [('"New"', '"Old"', "ours")]


def test_who_was_put_on_the_list_after_the_plan_was_made_is_left_alone(room: Any) -> None:
    room.differing(1)
    room.differing(2)
    connection = room.connect()
    made = plan(connection, room.warehouse.con, room.state, room.schemas)
    controls.never(room.state, "north", "contacts", "1", why="the mayor", who="ann")
    assert room.apply(made, connection).counts == {"contacts": {"done": 1, "skipped": 1, "sent": 1}}
    assert {one["first"] for one in room.crm.records["contacts"].values()} == {"Old", "New"}
    assert ("north:1", "first_name", '"Old"', '"New"', None, "skipped") in room.lines()
