"""Many records a call: what is counted, split, missing from an answer, or lost."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.state import intents


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


def test_batches(room: Any) -> None:
    for number in range(25):
        room.differing(number)
        room.lacking(100 + number, email=f"{number}@x.org")
    done = room.push(room.connect(batched))
    assert done.counts == {"contacts": {"done": 50, "sent": 50}}
    assert (room.crm.count("POST /contacts/batch/update"), room.crm.count("POST /contacts/batch/create")) == (3, 3)
    assert (room.crm.count("POST /contacts/batch/read"), room.crm.count("POST /contacts/batch/search")) == (3, 3)
    assert len(room.crm.calls) == 12


def test_a_batch_that_fails_as_a_whole_is_split_until_the_bad_one_stands_alone(room: Any) -> None:
    for number in range(10):
        room.differing(number, **({"last_name": "Bad"} if number == 3 else {}))
    room.crm.refuses = lambda values: "whole" if values.get("last") == "Bad" else None
    done = room.push(room.connect(batched))
    assert done.counts == {"contacts": {"done": 9, "failed": 1, "sent": 9}}
    assert [one["record_key"] for one in intents.failures(room.state)] == ["north:3"]


def test_a_short_answer_fails_the_missing(room: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        room.differing(number)
    whole = room.crm._batch_update
    monkeypatch.setattr(room.crm, "_batch_update", lambda entity, body: whole(entity, {**body, "cut": 3}))
    done = room.push(room.connect(batched))
    assert done.counts == {"contacts": {"done": 3, "failed": 1, "sent": 3}}
    assert intents.failures(room.state)[0]["error"] == "the answer does not mention the record"


def test_a_lost_answer_in_a_batch_of_creations_creates_none_twice(room: Any) -> None:
    for number in range(5):
        room.lacking(number, email=f"{number}@x.org")
    room.crm.strike = lambda request: (
        "lost" if request.url.path.endswith("create") and room.crm.count("POST /contacts/batch/create") == 1 else None
    )
    done = room.push(room.connect(batched))
    assert done.counts == {"contacts": {"done": 5, "sent": 5}}
    assert set(room.crm.created.values()) == {1}
