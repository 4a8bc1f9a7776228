"""Undo: what is not surely ours, or no longer as we made it, is left in the CRM, and listed with the reason."""

from __future__ import annotations

from typing import Any

import pytest
from push_warehouse import creating

from pipelines.connections.connection import Connection
from pipelines.push.revert import revert
from pipelines.state import intents, runs, written


def listed(room: Any, run_id: str, connection: Connection) -> list[tuple[str, str]]:
    """Action and reason of each row of an undo that is to archive what was created."""
    made = revert(run_id, connection, room.warehouse.con, room.state, room.schemas, archive_created=True)
    return [(row["action"], row["why"]) for row in made.rows.to_pylist()]


@pytest.fixture
def connection(room: Any) -> Connection:
    found: Connection = room.connect(creating())
    return found


def test_who_was_there_is_not_deleted(room: Any, connection: Connection) -> None:
    room.lacking(1, email="ann@x.org")
    room.crm.put("contacts", "77", email="ann@x.org")
    assert room.push(connection).counts == {"contacts": {"adopted": 1, "sent": 0}}
    assert listed(room, "r1", connection) == [
        ("none", "it was there when the run came to create it; nothing was written")
    ]


def test_who_was_found_after_an_answer_was_lost_is_listed(
    room: Any, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search of the first run does not show him yet; the second finds him, and nobody can tell whose he is."""
    room.lacking(1, email="ann@x.org")
    with monkeypatch.context() as blind:
        blind.setattr(room.crm, "_search", lambda *_: iter(()))
        room.crm.strike = lambda request: "lost" if request.method == "POST" else None
        room.push(connection)
    room.crm.strike = None
    assert room.push(connection).number("adopted") == 1
    assert listed(room, "r2", connection) == [
        ("none", "perhaps ours: run r1 had asked for it and got no answer, and this one found it; look at it there")
    ]


def test_what_nobody_knows_is_listed(room: Any, connection: Connection) -> None:
    room.lacking(1, first_name="Ann")  # no address, so no key to search by
    room.crm.strike = lambda request: "lost" if request.method == "POST" else None
    assert room.push(connection).number("uncertain") == 1
    assert listed(room, "r1", connection) == [("none", "nobody knows whether the CRM made it; see crosswalk failures")]


def test_what_people_have_edited_since_we_made_it_is_not_deleted(room: Any, connection: Connection) -> None:
    room.lacking(1, email="ann@x.org")
    room.push(connection)
    (id,) = room.crm.records["contacts"]
    room.warehouse.record("g1", "north", "contacts", id, email="ann@x.org", phone="+12025550101")
    assert listed(room, "r1", connection) == [("archive", "created by the run")]
    room.warehouse.edit(f"north:{id}", "contacts", "phone", "2026-02-01T00:00:00Z")
    assert listed(room, "r1", connection) == [("none", "created by the run, and edited since; left as it is")]


def test_an_undo_says_what_is_not_settled(room: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    room.differing(1)
    with monkeypatch.context() as dying:
        dying.setattr("pipelines.state.ledger.settle", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            room.push()
    assert len(intents.unsettled(room.state, "north")) == 1
    assert runs.wrote_to(room.state, "r1") == ["north"]
    assert written.unsettled(room.state) == {"north": 1}
    made = revert_as_it_is(room)
    assert made.notes == ("1 writes of the run are not settled yet: --apply, or the next run, settles them first",)


def revert_as_it_is(room: Any) -> Any:
    runs.start(room.state, ["north"], "r1")
    return revert("r1", room.connect(), room.warehouse.con, room.state, room.schemas)
