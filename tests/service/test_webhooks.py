"""Webhooks from the call to the raw log: proven, stored before they are answered, once, in order, and fetched."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from pipelines.connections.project import Project
from pipelines.extract.run import extract
from pipelines.sandbox.handle import SandboxHandle, start
from pipelines.service.context import Context
from pipelines.service.webhooks.inbox import Arrival
from pipelines.state.service_tables import jobs, webhook_inbox

SYSTEM_KEY = "system-key-of-the-tests"
STORES = ("sqlite",)  # test_inbox.py looks at both


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    """An emulated CRM that points to records in its webhooks."""
    with start(tmp_path_factory.mktemp("sandbox"), ["follow_up_boss"], size=40) as handle:
        yield handle


@pytest.fixture
def served(serve: Callable[..., Any], office: SandboxHandle, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A service connected to it, and to an external CRM that only sends."""
    monkeypatch.setattr("pipelines.service.webhooks.draining.PAUSE_SECONDS", 0.05)
    monkeypatch.setattr("pipelines.service.webhooks.draining.LONGEST_PAUSE", 0.05)
    variables = office.environment("follow_up_boss") | {
        "FOLLOW_UP_BOSS_SYSTEM_KEY": SYSTEM_KEY,
        "EXTERNAL_CRM_API_URL": "http://127.0.0.1:9/records",
        "EXTERNAL_CRM_API_KEY": "external-key",
        "EXTERNAL_CRM_WEBHOOK_SECRET": "hook-secret-1",
        "WEBHOOK_REFRESH_SECONDS": "3600",
        "JWT_SECRET": "a secret of the tests, thirty-two bytes or more",
    }
    with serve(**variables) as client:
        yield client


def signed(event: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    body = json.dumps(event).encode()
    signature = hmac.new(SYSTEM_KEY.encode(), base64.b64encode(body), hashlib.sha256).hexdigest()
    return body, {"FUB-Signature": signature, "Content-Type": "application/json"}


def deliver(client: TestClient, event: dict[str, Any]) -> dict[str, Any]:
    body, headers = signed(event)
    answer = client.post("/api/webhooks/follow_up_boss", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def event(number: int, ids: list[int], kind: str = "peopleUpdated") -> dict[str, Any]:
    return {
        "eventId": f"event-{number}", "eventCreated": "2026-08-01T12:00:00+00:00", "event": kind,
        "resourceIds": ids, "uri": "https://api.example/v1/people",
    }  # fmt: skip


def rows(context: Context) -> list[dict[str, Any]]:
    with context.store.read() as connection:
        found = connection.execute(sa.select(webhook_inbox).order_by(webhook_inbox.c.inbox_id))
        return [dict(row) for row in found.mappings()]


def drained(context: Context, seconds: float = 120) -> list[dict[str, Any]]:
    """The inbox once nothing waits in it."""
    until = time.monotonic() + seconds
    found = rows(context)
    while any(row["status"] == "queued" for row in found):
        assert time.monotonic() < until, found
        time.sleep(0.05)
        found = rows(context)
    return found


def current(project: Project, connection: str, entity: str = "contacts") -> dict[str, Any]:
    """The current records of a raw log by their ids."""
    path = project.data_dir / "default" / "raw" / f"{connection}.duckdb"
    with duckdb.connect(str(path), read_only=True) as con:
        found = con.execute(f"select id, record from raw.{entity}_current where not deleted").fetchall()
    return {key: json.loads(record) for key, record in found}


def pull(context: Context) -> Any:
    connection = context.connections("default", "follow_up_boss")
    return extract(connection, backoff=0.01)


def test_a_pointer_is_fetched_into_the_raw_log(
    served: TestClient, project: Project, office: SandboxHandle, context_of: Callable[[TestClient], Context]
) -> None:
    context = context_of(served)
    pull(context)
    ids = sorted(current(project, "follow_up_boss"), key=int)[:2]
    assert all(current(project, "follow_up_boss")[i].get("background") != "by webhook" for i in ids)
    change(office, ids[0], {"background": "by webhook"})
    assert deliver(served, event(1, [int(ids[0])])) == {"success": True, "stored": 1, "duplicates": 0}
    assert [(r["status"], r["reason"]) for r in drained(context)] == [("done", None)]
    assert current(project, "follow_up_boss")[ids[0]]["background"] == "by webhook"
    with context.store.read() as connection:  # and it will be unified
        asked = connection.execute(sa.select(jobs.c.kind, jobs.c.connection)).fetchall()
    assert [tuple(row) for row in asked] == [("refresh", "follow_up_boss")]


def change(office: SandboxHandle, record_id: str, fields: dict[str, Any]) -> None:
    office.admin("PATCH", f"follow_up_boss/records/people/{record_id}", fields)


def test_a_second_delivery_of_one_event_has_no_effect(
    served: TestClient, context_of: Callable[[TestClient], Context]
) -> None:
    pull(context_of(served))
    assert deliver(served, event(1, [1]))["stored"] == 1
    assert deliver(served, event(1, [1])) == {"success": True, "stored": 0, "duplicates": 1}
    assert len(rows(context_of(served))) == 1


def test_what_is_gone_gets_a_tombstone(
    served: TestClient, project: Project, office: SandboxHandle, context_of: Callable[[TestClient], Context]
) -> None:
    context = context_of(served)
    pull(context)
    gone = max(current(project, "follow_up_boss"), key=int)
    fault = {"kind": "error", "status": 404, "method": "GET", "path": f"*people/{gone}", "count": 1}
    office.admin("POST", "follow_up_boss/faults", fault)
    deliver(served, event(1, [int(gone)], "peopleDeleted"))
    assert [r["status"] for r in drained(context)] == ["done"]
    assert gone not in current(project, "follow_up_boss")


def test_what_cannot_be_mapped_is_set_aside_with_its_reason(
    served: TestClient, context_of: Callable[[TestClient], Context]
) -> None:
    context = context_of(served)
    for number, body in enumerate(
        [event(1, [1], "notesCreated"), event(2, []), {"eventId": "3"}, event(4, [5], "peopleRelationshipCreated")]
    ):
        assert deliver(served, body)["stored"] == 1, number
    assert [(r["status"], r["reason"]) for r in drained(context)] == [
        ("set_aside", "no entity for the event 'notesCreated'"),
        ("set_aside", "no record id at resourceIds"),
        ("set_aside", "no entity for the event ''"),
        ("done", None),
    ]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/webhooks/follow_up_boss", {}),
        ("/api/webhooks/follow_up_boss", {"FUB-Signature": "0" * 64}),
        ("/api/webhooks/nobody/follow_up_boss", {}),
        ("/api/webhooks/no_such_crm", {}),
        ("/api/webhooks/brivity", {}),
        ("/api/webhooks/..%2f..%2fetc", {}),
        ("/api/webhooks/_service/follow_up_boss", {}),
    ],
)
def test_nobody_learns_why_they_are_refused(
    served: TestClient, path: str, headers: dict[str, str], context_of: Callable[[TestClient], Context]
) -> None:
    answer = served.post(path, content=b'{"eventId": "1"}', headers=headers)
    if "%2f" not in path:
        assert (answer.status_code, answer.json()) == (401, {"success": False, "error": "Unauthorized"})
    assert answer.status_code in (401, 404)
    assert rows(context_of(served)) == []


def test_refused_deliveries_are_limited(served: TestClient) -> None:
    answers = [served.post("/api/webhooks/follow_up_boss", content=b"{}") for _ in range(62)]
    assert [a.status_code for a in answers][59:] == [401, 429, 429]
    assert int(answers[-1].headers["Retry-After"]) >= 1


EXTERNAL = {"secret": "hook-secret-1", "phone": "628123456789@c.us", "name": "John Doe", "event_name": "Tech Conf"}


def test_of_payloads_an_older_one_never_undoes_a_newer(
    served: TestClient, project: Project, context_of: Callable[[TestClient], Context]
) -> None:
    context = context_of(served)
    said = [("e2", "2026-08-02T00:00:00Z", "Newer"), ("e1", "2026-08-01T00:00:00Z", "Older"), ("e3", None, "Last")]
    for number, (event_id, moment, name) in enumerate(said[:2]):
        body = EXTERNAL | {"event_id": event_id, "occurred_at": moment, "name": name}
        assert served.post("/api/webhooks/external", json=body).json()["stored"] == 1, number
    found = drained(context)
    assert [(r["status"], r["reason"]) for r in found] == [
        ("done", None), ("skipped", "older than what was told before"),
    ]  # fmt: skip
    assert current(project, "external")["628123456789@c.us"] == {
        "phone": "628123456789@c.us", "name": "Newer", "event_name": "Tech Conf",
    }  # fmt: skip
    assert "628123456789@c.us|Tech Conf" in current(project, "external", "deals")
    served.post("/api/webhooks/external", json=EXTERNAL | {"name": "Last"})
    drained(context)
    assert current(project, "external")["628123456789@c.us"]["name"] == "Last"
    assert "hook-secret-1" not in json.dumps([row["body"] for row in rows(context)])


def test_back_and_forth_within_one_batch_ends_as_it_was_told_last(
    served: TestClient, project: Project, context_of: Callable[[TestClient], Context]
) -> None:
    for name in ("A", "B", "A"):
        assert served.post("/api/webhooks/external", json=EXTERNAL | {"name": name}).status_code == 200
        if name == "A":
            drained(context_of(served))
    drained(context_of(served))
    assert current(project, "external")["628123456789@c.us"]["name"] == "A"


def test_without_a_first_sync_a_pointer_asks_for_one(
    served: TestClient, project: Project, context_of: Callable[[TestClient], Context]
) -> None:
    deliver(served, event(1, [1]))
    drained(context_of(served))
    assert not (project.data_dir / "default" / "raw" / "follow_up_boss.duckdb").exists()
    with context_of(served).store.read() as connection:
        assert connection.execute(sa.select(jobs.c.kind)).scalars().all() == ["sync"]


def test_a_crm_that_is_down_is_asked_again(
    served: TestClient, office: SandboxHandle, context_of: Callable[[TestClient], Context],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    context = context_of(served)
    pull(context)
    monkeypatch.setattr("pipelines.service.webhooks.draining.BACK_OFF", (0.1,))
    office.admin("POST", "follow_up_boss/faults", {"kind": "error", "status": 401, "count": 2})
    deliver(served, event(1, [1]))
    assert [r["status"] for r in drained(context)] == ["done"]


def test_the_inbox_survives_and_files_lie_where_they_should(served: TestClient, project: Project) -> None:
    deliver(served, event(9, [1]))
    assert (project.data_dir / "_service" / "state.sqlite").exists()
    assert not (Path("data") / "default" / "raw" / "external.duckdb").exists()


def test_one_delivery_that_cannot_be_stored_keeps_no_other_out(
    served: TestClient, context_of: Callable[[TestClient], Context]
) -> None:
    inbox = context_of(served).background.inbox
    odd = {"phone": "\ud800\x00", "name": "\ud800", "event_name": "\x00"}
    for body in (odd, EXTERNAL | {"event_id": "\x00\udfff"}):
        raw = json.dumps({"secret": "hook-secret-1"} | body)
        answer = served.post("/api/webhooks/external", content=raw)
        assert (answer.status_code, answer.json()["stored"]) == (200, 1)
    bad = Arrival("default", "external", "x", {"b": object()})
    good = Arrival("default", "external", "x", {"a": 1}, "good", reason="a test's")
    waiting = [inbox.put([bad if number == 3 else replace(good, event_id=f"g{number}")]) for number in range(6)]
    failed = [done.exception(20) is not None for done in waiting]
    assert failed == [False, False, False, True, False, False]
