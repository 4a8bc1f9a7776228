"""What a killed push left open is settled before anything else."""

from __future__ import annotations

import time
from typing import Any

import pytest
from push_warehouse import creating

from pipelines.connections.connection import Connection
from pipelines.push.plan import plan
from pipelines.state import intents, ledger, registry


def interrupted(room: Any, connection: Connection) -> None:
    """Leaves the state as a kill -9 between intent and outcome does."""
    made = plan(connection, room.warehouse.con, room.state, room.schemas)
    original = ledger.settle
    try:
        ledger.settle = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            room.apply(made, connection)
    finally:
        ledger.settle = original


def test_an_interrupted_update_is_read_back(room: Any) -> None:
    room.differing(1)
    interrupted(room, room.connect())
    assert len(intents.unsettled(room.state, "north")) == 1
    room.recover()
    assert room.lines()[-1][1:] == ("first_name", '"Old"', '"New"', '"New"', "done")
    assert room.crm.count("PATCH") == 1
    assert room.recover() is None


def test_an_interrupted_creation_is_found_and_adopted(room: Any) -> None:
    room.lacking(1, email="ann@x.org", first_name="Ann")
    connection = room.connect(creating())
    interrupted(room, connection)
    room.recover(connection)
    assert registry.golden_of(room.state, "contacts", ["north:1000"]) == {"north:1000": "g1"}
    room.push(connection)
    assert room.crm.created.total() == 1


def test_somebody_who_was_there_before_is_not_ours_after_a_kill(room: Any) -> None:
    """Nothing was sent, so what the CRM has is neither our creation nor our echo: it is adopted and then written."""
    room.lacking(1, email="ann@x.org", first_name="Ann")
    there = room.crm.put("contacts", "77", email="ann@x.org", first="Anna")
    connection = room.connect(creating())
    interrupted(room, connection)
    room.recover(connection)
    assert room.lines()[-1][-1] == "adopted"
    room.warehouse.record(
        "g1", "north", "contacts", "77", email="ann@x.org", first_name="Anna", _modified_at=there["updated"]
    )
    room.push(connection)
    assert room.crm.records["contacts"]["77"]["first"] == "Ann"
    assert room.crm.created.total() == 0


def test_what_was_left_out_is_left_out_after_a_kill(room: Any) -> None:
    """The record had changed, to the very value that we wanted: that is an edit of theirs, and not our write."""
    room.differing(1)
    room.crm.edit("contacts", "1", first="New")
    interrupted(room, room.connect())
    room.recover()
    assert room.lines()[-1][-1] == "skipped"


def test_an_interrupted_creation_that_never_arrived_is_sent_again(room: Any) -> None:
    room.lacking(1, email="ann@x.org", first_name="Ann")
    connection = room.connect(creating())
    interrupted(room, connection)
    room.crm.records["contacts"].clear()
    room.crm.created.clear()
    room.push(connection)  # settles first; the plan was made before that, so the record waits
    room.push(connection)
    assert room.crm.created.total() == 1


def test_a_lost_creation_is_looked_for_once_the_index_has_caught_up(room: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def catching_up(mapping: Any) -> None:
        mapping["entities"]["contacts"]["push"]["find"]["lag"] = 0.4

    made: dict[str, float] = {}
    create, search = room.crm._create, room.crm._search

    def noted(entity: str, body: Any) -> Any:
        record = create(entity, body)
        made[record["id"]] = time.monotonic()
        return record

    monkeypatch.setattr(room.crm, "_create", noted)
    monkeypatch.setattr(
        room.crm,
        "_search",
        lambda entity, params: (
            one for one in search(entity, params) if time.monotonic() - made.get(one["id"], 0.0) > 0.2
        ),
    )
    room.lacking(1, email="a@x.org")
    room.crm.strike = lambda request: "lost" if request.method == "POST" else None
    done = room.push(room.connect(catching_up, create="linked"))
    assert done.counts == {"contacts": {"done": 1, "sent": 1}}
    assert set(room.crm.created.values()) == {1}
