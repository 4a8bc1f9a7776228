"""Calls that fail: repeated, set aside, given up, or never sent again unasked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from push_warehouse import creating

from pipelines.connections.connection import Connection
from pipelines.push import outcomes
from pipelines.push.plan import plan
from pipelines.state import intents


def striking(*faults: str | None) -> Callable[[httpx.Request], str | None]:
    left: Iterator[str | None] = iter(faults)
    return lambda _: next(left, None)


def on_writes(*faults: str | None) -> Callable[[httpx.Request], str | None]:
    left: Iterator[str | None] = iter(faults)
    return lambda request: next(left, None) if request.method != "GET" else None


def test_one_bad_record_does_not_stop_the_rest(room: Any) -> None:
    for number in range(3):
        room.differing(number, **({"last_name": "Bad"} if number == 1 else {}))
    room.crm.refuses = lambda values: "no such value" if values.get("last") == "Bad" else None
    done = room.push()
    assert done.counts == {"contacts": {"done": 2, "failed": 1, "sent": 2}}
    (failure,) = intents.failures(room.state)
    assert failure["http_status"] == 422
    assert "no such value" in failure["error"]


def test_failures_become_dead_letters(room: Any, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_what_no_value_of_theirs_means_is_listed_and_the_other_fields_go(room: Any) -> None:
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
def test_faults_are_repeated_until_it_is_done(room: Any, fault: str) -> None:
    room.differing(1)
    room.lacking(2, email="ann@x.org")
    room.crm.strike = on_writes(fault, None, fault)
    room.push(room.connect(creating()))
    assert room.crm.records["contacts"]["1"]["first"] == "New"
    assert list(room.crm.created.values()) == [1]
    assert intents.failures(room.state) == []


def test_without_a_key_a_lost_creation_is_uncertain_and_never_sent_again(room: Any) -> None:
    room.lacking(1, first_name="Ann")
    room.crm.strike = on_writes("lost")
    done = room.push(room.connect(creating()))
    assert done.counts == {"contacts": {"uncertain": 1, "sent": 0}}
    room.push(room.connect(creating()))
    assert room.crm.created.total() == 1
    assert [one["status"] for one in intents.failures(room.state)] == ["uncertain"]


def test_refused_credentials_end_the_push_and_cost_no_try(room: Any) -> None:
    for number in range(3):
        room.differing(number)
    room.crm.strike = lambda _: "unauthorized"
    done = room.push()
    assert done.stopped is not None
    assert done.stopped.exit_code == 3
    assert room.crm.count("PATCH") == 0
    room.crm.strike = None
    assert room.push().counts == {"contacts": {"done": 3, "sent": 3}}


def test_secrets_stay_out_of_errors(room: Any, connect: Any) -> None:
    room.differing(1)
    room.crm.refuses = lambda _: "bad key s3cr3t-value"
    connection = connect()
    hidden = Connection(**{**vars(connection), "secrets": frozenset({"s3cr3t-value"})})
    room.push(hidden)
    assert "s3cr3t" not in json.dumps(intents.failures(room.state), default=str)
