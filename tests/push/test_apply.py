"""Plans carried out against a CRM in memory: calls, ledger, twins, faults, recovery."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipelines.connections.connection import Connection
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.push import outcomes
from pipelines.push.apply import Applied, GuardTripped, apply, recover
from pipelines.push.plan import plan
from pipelines.push.planned import PlanError
from pipelines.staging.read_back import RecordReader
from pipelines.state import controls, intents, ledger, registry
from pipelines.state.database import State
from pipelines.wire.limiter import Limiter


class Room:
    """A warehouse, a state and a CRM, and the two steps between them."""

    def __init__(
        self, warehouse: Any, state: State, schemas: dict[str, CanonicalEntity], crm: Any, connect: Any
    ) -> None:
        self.warehouse, self.state, self.schemas, self.crm, self.connect = warehouse, state, schemas, crm, connect
        self.runs = 0

    def push(self, connection: Connection | None = None, **how: Any) -> Applied:
        connection = connection or self.connect()
        made = plan(connection, self.warehouse.con, self.state, self.schemas)
        return self.apply(made, connection, **how)

    def apply(self, made: Any, connection: Connection, **how: Any) -> Applied:
        self.runs += 1
        reader = RecordReader(connection, self.schemas)
        return apply(
            made, connection, self.state, self.schemas, reader, run_id=f"r{self.runs}", limiter=Limiter([]),
            transport=self.crm, backoff=0.001, **how,
        )  # fmt: skip

    def recover(self, connection: Connection | None = None) -> Applied | None:
        connection = connection or self.connect()
        self.runs += 1
        reader = RecordReader(connection, self.schemas)
        return recover(
            connection, self.state, self.schemas, reader, run_id=f"r{self.runs}", limiter=Limiter([]),
            transport=self.crm, backoff=0.001,
        )  # fmt: skip

    def differing(self, number: int, **values: Any) -> None:
        """A record that lacks what its golden record has."""
        there = self.crm.put("contacts", str(number), first="Old")
        self.warehouse.record(
            f"g{number}", "north", "contacts", str(number), first_name="Old", _modified_at=there["updated"]
        )
        self.warehouse.golden("contacts", f"g{number}", **{"first_name": "New", **values})

    def lacking(self, number: int, **values: Any) -> None:
        """A golden record that the CRM lacks."""
        self.warehouse.record(f"g{number}", "south", "contacts", str(number), **values)
        self.warehouse.golden("contacts", f"g{number}", **values)

    def lines(self) -> list[tuple[Any, ...]]:
        names = ("record_key", "field", "old", "new", "read_back", "status")
        return [
            tuple(line[n] for n in names)
            for run in range(1, self.runs + 1)
            for line in ledger.of_run(self.state, f"r{run}")
        ]


@pytest.fixture
def room(warehouse: Any, state: State, schemas: dict[str, CanonicalEntity], crm: Any, connect: Any) -> Room:
    return Room(warehouse, state, schemas, crm, connect)


def creating(policy: str = "all") -> Callable[[Any], None]:
    def change(mapping: Any) -> None:
        for entity in mapping["entities"].values():
            entity["push"]["create"] = policy

    return change


def batched(mapping: Any) -> None:
    contacts = mapping["entities"]["contacts"]
    shape = {"items": "rows", "size": 10, "reader": "row_success"}
    read = {"method": "POST", "path": "contacts/batch/read"}
    contacts["get_batch"] = {"request": read, "size": 10, "items": "inputs", "item": {"id": "$id"}, "reader": "records"}
    for action in ("create", "update"):
        request = {"method": "POST", "path": f"contacts/batch/{action}"}
        item = {"id": "$id", "values": "$fields"} if action == "update" else {"values": "$fields"}
        contacts["push"][f"{action}_batch"] = {"request": request, "item": item, **shape}
    search = {"method": "POST", "path": "contacts/batch/search", "data_selector": "results"}
    contacts["push"]["find"] = {
        "by": ["email"], "batch": {"request": search, "size": 10, "items": "emails", "reader": "records"},
    }  # fmt: skip
    contacts["push"]["create"] = "all"


def striking(*faults: str | None) -> Callable[[httpx.Request], str | None]:
    left: Iterator[str | None] = iter(faults)
    return lambda _: next(left, None)


def on_writes(*faults: str | None) -> Callable[[httpx.Request], str | None]:
    left: Iterator[str | None] = iter(faults)
    return lambda request: next(left, None) if request.method != "GET" else None


def test_an_update_is_sent_written_down_and_needs_no_second_run(room: Room) -> None:
    room.differing(1)
    done = room.push()
    assert room.crm.records["contacts"]["1"]["first"] == "New"
    assert room.crm.calls == ["GET /contacts/1", "PATCH /contacts/1"]
    assert done.counts == {"contacts": {"done": 1, "sent": 1}}
    assert room.lines() == [("north:1", "first_name", '"Old"', '"New"', '"New"', "done")]
    assert ledger.of_run(room.state, "r1")[0]["correlation_id"] == "q2"
    assert room.push().calls > 0  # the warehouse still says Old: the CRM says otherwise, so it is skipped
    assert room.lines()[1][5] == "skipped"


def test_only_what_differs_is_sent(room: Room) -> None:
    room.differing(1, last_name="Lee")
    room.push()
    assert room.crm.written == [("contacts", "1", {"first": "New", "last": "Lee"})]


def test_what_the_crm_makes_of_a_value_is_remembered(room: Room) -> None:
    room.crm.normalise = lambda _, value: value.upper() if isinstance(value, str) else value
    room.differing(1)
    room.push()
    assert room.lines()[0][4] == '"NEW"'
    room.warehouse.set("staging.north__contacts", "true", first_name="NEW")
    made = plan(room.connect(), room.warehouse.con, room.state, room.schemas)
    assert made.is_empty


def test_an_answer_without_the_record_is_read_back(room: Room) -> None:
    def silent(mapping: Any) -> None:
        del mapping["entities"]["contacts"]["push"]["answer_record"]

    room.crm.normalise = lambda _, value: value.upper()
    room.differing(1)
    room.push(room.connect(silent))
    assert room.crm.calls == ["GET /contacts/1", "PATCH /contacts/1", "GET /contacts/1"]
    assert room.lines()[0][4] == '"NEW"'


def test_a_record_that_changed_since_is_left_alone(room: Room) -> None:
    room.differing(1)
    room.crm.edit("contacts", "1", last="Changed")
    done = room.push()
    assert room.crm.records["contacts"]["1"]["first"] == "Old"
    assert done.counts == {"contacts": {"skipped": 1, "sent": 0}}
    room.differing(2)
    del room.crm.records["contacts"]["2"]
    room.push()
    assert next(line for line in room.lines() if line[0] == "north:2")[5] == "skipped"


def test_without_a_modification_time_the_content_is_compared(room: Room) -> None:
    def timeless(mapping: Any) -> None:
        del mapping["entities"]["contacts"]["modified"]

    for number in (1, 2):
        room.differing(number)
        room.warehouse.set("staging.north__contacts", "true", modified_at=None)
    room.crm.edit("contacts", "1", first="Edited")
    done = room.push(room.connect(timeless))
    assert done.counts == {"contacts": {"skipped": 1, "done": 1, "sent": 1}}


def test_a_record_is_created_and_known_at_once(room: Room) -> None:
    room.lacking(1, email="ann@x.org", first_name="Ann")
    done = room.push(room.connect(creating()))
    assert done.counts == {"contacts": {"done": 1, "sent": 1}}
    assert room.crm.records["contacts"]["1000"]["email"] == "ann@x.org"
    assert registry.golden_of(room.state, "contacts", ["north:1000"]) == {"north:1000": "g1"}
    assert room.push(room.connect(creating())).counts == {}
    assert room.crm.created.total() == 1


def test_a_twin_is_adopted_and_not_created(room: Room) -> None:
    room.lacking(1, email="ann@x.org", first_name="Ann")
    room.crm.put("contacts", "5", email="Ann@X.org", first="Anna")
    done = room.push(room.connect(creating()))
    assert done.counts == {"contacts": {"adopted": 1, "sent": 0}}
    assert registry.golden_of(room.state, "contacts", ["north:5"]) == {"north:5": "g1"}
    assert room.crm.created.total() == 0
    assert list(ledger.load_echoes(room.state, "contacts")) == []


def test_a_twin_that_belongs_to_somebody_else_is_not_taken(room: Room) -> None:
    import pyarrow as pa

    room.lacking(1, email="family@x.org", first_name="Ann")
    room.crm.put("contacts", "5", email="family@x.org", first="Bob")
    since = pa.array([0], pa.timestamp("us", tz="UTC"))
    registry.apply(room.state, "contacts", pa.table({"record_key": ["north:5"], "golden_id": ["g9"], "since": since}))
    done = room.push(room.connect(creating()))
    assert done.counts == {"contacts": {"failed": 1, "sent": 0}}, "told to people, not tried at every run"
    assert registry.golden_of(room.state, "contacts", ["north:5"]) == {"north:5": "g9"}


def test_two_with_one_key_are_not_both_created(room: Room) -> None:
    room.lacking(1, email="family@x.org", first_name="Ann")
    room.lacking(2, email="Family@x.org", first_name="Bob")
    done = room.push(room.connect(creating()))
    assert done.counts == {"contacts": {"done": 1, "skipped": 1, "sent": 1}}


def test_ids_that_were_just_given_are_used(room: Room) -> None:
    room.lacking(1, email="ann@x.org")
    room.warehouse.record("d1", "south", "deals", "1", name="House")
    room.warehouse.golden("deals", "d1", name="House", contact_ids=["g1"])
    room.push(room.connect(creating()))
    (deal,) = room.crm.records["deals"].values()
    assert deal["contactIds"] == ["1000"]


def test_links_are_written_after_both_sides(room: Room) -> None:
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


def test_batches(room: Room) -> None:
    for number in range(25):
        room.differing(number)
        room.lacking(100 + number, email=f"{number}@x.org")
    done = room.push(room.connect(batched))
    assert done.counts == {"contacts": {"done": 50, "sent": 50}}
    assert (room.crm.count("POST /contacts/batch/update"), room.crm.count("POST /contacts/batch/create")) == (3, 3)
    assert (room.crm.count("POST /contacts/batch/read"), room.crm.count("POST /contacts/batch/search")) == (3, 3)
    assert len(room.crm.calls) == 12


def test_a_batch_that_fails_as_a_whole_is_split_until_the_bad_one_stands_alone(room: Room) -> None:
    for number in range(10):
        room.differing(number, **({"last_name": "Bad"} if number == 3 else {}))
    room.crm.refuses = lambda values: "whole" if values.get("last") == "Bad" else None
    done = room.push(room.connect(batched))
    assert done.counts == {"contacts": {"done": 9, "failed": 1, "sent": 9}}
    assert [one["record_key"] for one in intents.failures(room.state)] == ["north:3"]


def test_a_short_answer_fails_the_missing(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        room.differing(number)
    whole = room.crm._batch_update
    monkeypatch.setattr(room.crm, "_batch_update", lambda entity, body: whole(entity, {**body, "cut": 3}))
    done = room.push(room.connect(batched))
    assert done.counts == {"contacts": {"done": 3, "failed": 1, "sent": 3}}
    assert intents.failures(room.state)[0]["error"] == "the answer does not mention the record"


def test_one_bad_record_does_not_stop_the_rest(room: Room) -> None:
    for number in range(3):
        room.differing(number, **({"last_name": "Bad"} if number == 1 else {}))
    room.crm.refuses = lambda values: "no such value" if values.get("last") == "Bad" else None
    done = room.push()
    assert done.counts == {"contacts": {"done": 2, "failed": 1, "sent": 2}}
    (failure,) = intents.failures(room.state)
    assert failure["http_status"] == 422
    assert "no such value" in failure["error"]


def test_failures_become_dead_letters(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "RETRY_SECONDS", (0,) * len(outcomes.RETRY_SECONDS))
    room.differing(1)
    room.crm.refuses = lambda _: "never"
    for _ in range(outcomes.DEAD_AFTER + 2):
        room.push()
    assert room.crm.count("PATCH") == outcomes.DEAD_AFTER
    assert [one["status"] for one in intents.failures(room.state)] == ["dead"]
    room.crm.refuses = lambda _: None
    assert intents.retry(room.state) == 1
    assert room.push().counts == {"contacts": {"done": 1, "sent": 1}}
    assert intents.failures(room.state) == []


def test_what_no_value_of_theirs_means_is_listed_and_the_other_fields_go(room: Room) -> None:
    def narrow(mapping: Any) -> None:
        mapping["entities"]["contacts"]["fields"]["first_name"] = {"path": "first", "values": {"Old": "Old"}}

    room.differing(1, last_name="Lee")
    connection = room.connect(narrow)
    made = plan(connection, room.warehouse.con, room.state, room.schemas)
    told = {row["field"]: (row["action"], row["why"]) for row in made.rows.to_pylist()}
    assert told["first_name"] == ("none", "the CRM has no word for the value")
    assert room.apply(made, connection).counts == {"contacts": {"done": 1, "sent": 1}}
    assert room.crm.count("PATCH") == 1


@pytest.mark.parametrize("fault", ["refuse", "error", "throttle", "lost", "lost_error", "html", "truncated"])
def test_faults_are_repeated_until_it_is_done(room: Room, fault: str) -> None:
    room.differing(1)
    room.lacking(2, email="ann@x.org")
    room.crm.strike = on_writes(fault, None, fault)
    room.push(room.connect(creating()))
    assert room.crm.records["contacts"]["1"]["first"] == "New"
    assert list(room.crm.created.values()) == [1]
    assert intents.failures(room.state) == []


def test_a_lost_answer_in_a_batch_of_creations_creates_none_twice(room: Room) -> None:
    for number in range(5):
        room.lacking(number, email=f"{number}@x.org")
    room.crm.strike = lambda request: (
        "lost" if request.url.path.endswith("create") and room.crm.count("POST /contacts/batch/create") == 1 else None
    )
    done = room.push(room.connect(batched))
    assert done.counts == {"contacts": {"done": 5, "sent": 5}}
    assert set(room.crm.created.values()) == {1}


def test_without_a_key_a_lost_creation_is_uncertain_and_never_sent_again(room: Room) -> None:
    room.lacking(1, first_name="Ann")
    room.crm.strike = on_writes("lost")
    done = room.push(room.connect(creating()))
    assert done.counts == {"contacts": {"uncertain": 1, "sent": 0}}
    room.push(room.connect(creating()))
    assert room.crm.created.total() == 1
    assert [one["status"] for one in intents.failures(room.state)] == ["uncertain"]


def test_refused_credentials_end_the_push_and_cost_no_try(room: Room) -> None:
    for number in range(3):
        room.differing(number)
    room.crm.strike = lambda _: "unauthorized"
    done = room.push()
    assert done.stopped is not None
    assert done.stopped.exit_code == 3
    assert room.crm.count("PATCH") == 0
    room.crm.strike = None
    assert room.push().counts == {"contacts": {"done": 3, "sent": 3}}


def interrupted(room: Room, connection: Connection) -> None:
    """Leaves the state as a kill -9 between intent and outcome does."""
    made = plan(connection, room.warehouse.con, room.state, room.schemas)
    original = ledger.settle
    try:
        ledger.settle = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            room.apply(made, connection)
    finally:
        ledger.settle = original


def test_an_interrupted_update_is_read_back(room: Room) -> None:
    room.differing(1)
    interrupted(room, room.connect())
    assert len(intents.unsettled(room.state, "north")) == 1
    room.recover()
    assert room.lines()[-1][1:] == ("first_name", '"Old"', '"New"', '"New"', "done")
    assert room.crm.count("PATCH") == 1
    assert room.recover() is None


def test_an_interrupted_creation_is_found_and_adopted(room: Room) -> None:
    room.lacking(1, email="ann@x.org", first_name="Ann")
    connection = room.connect(creating())
    interrupted(room, connection)
    room.recover(connection)
    assert registry.golden_of(room.state, "contacts", ["north:1000"]) == {"north:1000": "g1"}
    room.push(connection)
    assert room.crm.created.total() == 1


def test_an_interrupted_creation_that_never_arrived_is_sent_again(room: Room) -> None:
    room.lacking(1, email="ann@x.org", first_name="Ann")
    connection = room.connect(creating())
    interrupted(room, connection)
    room.crm.records["contacts"].clear()
    room.crm.created.clear()
    room.push(connection)  # settles first; the plan was made before that, so the record waits
    room.push(connection)
    assert room.crm.created.total() == 1


def test_a_saved_plan_is_applied_as_it_was(room: Room, tmp_path: Path) -> None:
    from pipelines.push.planned import load_plan

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


def test_a_plan_over_a_guard_sends_nothing(room: Room) -> None:
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


def test_a_pause_after_the_plan_still_holds(room: Room) -> None:
    room.differing(1)
    connection = room.connect()
    made = plan(connection, room.warehouse.con, room.state, room.schemas)
    controls.pause(room.state, "north", "audit", "ann")
    with pytest.raises(PlanError, match="paused: audit"):
        room.apply(made, connection)
    assert room.crm.calls == []


def test_conflicts_are_recorded_with_both_values(room: Room) -> None:
    room.differing(1)
    connection = room.connect()
    made = plan(connection, room.warehouse.con, room.state, room.schemas)
    rows = made.rows.set_column(made.rows.schema.get_field_index("is_conflict"), "is_conflict", [[True]])
    room.apply(type(made)(**{**vars(made), "rows": rows}), connection)
    with room.state.read() as opened:
        found = opened.exec_driver_sql("SELECT ours, theirs, kept FROM conflicts").fetchall()
    assert [tuple(row) for row in found] == [('"New"', '"Old"', "ours")]


def test_secrets_stay_out_of_errors(room: Room, connect: Any) -> None:
    room.differing(1)
    room.crm.refuses = lambda _: "bad key s3cr3t-value"
    connection = connect()
    hidden = Connection(**{**vars(connection), "secrets": frozenset({"s3cr3t-value"})})
    room.push(hidden)
    assert "s3cr3t" not in json.dumps(intents.failures(room.state), default=str)


def test_who_was_put_on_the_list_after_the_plan_was_made_is_left_alone(room: Room) -> None:
    room.differing(1)
    room.differing(2)
    connection = room.connect()
    made = plan(connection, room.warehouse.con, room.state, room.schemas)
    controls.never(room.state, "north", "contacts", "1", why="the mayor", who="ann")
    assert room.apply(made, connection).counts == {"contacts": {"done": 1, "skipped": 1, "sent": 1}}
    assert {one["first"] for one in room.crm.records["contacts"].values()} == {"Old", "New"}
    assert ("north:1", "first_name", '"Old"', '"New"', None, "skipped") in room.lines()
