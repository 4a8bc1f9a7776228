"""Webhooks that were set aside: tried again on a rhythm, by a call and by a command, and never undoing newer ones."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient
from typer.testing import CliRunner

from pipelines.commands.retry_command import app as retry_command
from pipelines.connections.project import Project
from pipelines.service.context import Context
from pipelines.service.webhooks.inbox import Arrival
from pipelines.state import set_aside
from pipelines.state.database import now_us
from pipelines.state.service_tables import webhook_inbox

ROUTES = ("webhooks", "set_aside")
WHO = "628123456789@c.us"
MINUTE = 60_000_000
WAIT_SECONDS = 120
REASON = "the connection cannot be used: a test's"


@pytest.fixture
def own_mappings(project: Project, project_root: Path) -> Path:
    """Mappings that the test may mend."""
    project.mappings.unlink()
    shutil.copytree(project_root / "mappings", project.mappings)
    return project.mappings


@pytest.fixture
def client(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr("pipelines.service.webhooks.draining.PAUSE_SECONDS", 0.05)
    monkeypatch.setattr("pipelines.service.webhooks.draining.LONGEST_PAUSE", 0.05)
    variables = {
        "EXTERNAL_CRM_API_URL": "http://127.0.0.1:9/records", "EXTERNAL_CRM_API_KEY": "external-key",
        "EXTERNAL_CRM_WEBHOOK_SECRET": "hook-secret-1", "WEBHOOK_REFRESH_SECONDS": "3600",
        "JWT_SECRET": "a secret of the tests, thirty-two bytes or more",
    }  # fmt: skip
    with serve(**variables) as started:
        yield started


@pytest.fixture
def context(client: TestClient, context_of: Callable[[TestClient], Context]) -> Context:
    return context_of(client)


def body(name: str, **more: Any) -> dict[str, Any]:
    return {"phone": WHO, "name": name, "event_name": "Tech Conf", **more}


def put_aside(context: Context, event_id: str, event: Any, moment: int | None = None) -> int:
    """An event as it lies in the inbox after nobody could map it."""
    arrival = Arrival("default", "external", "token_in_body", event, event_id, moment, reason=REASON)
    inbox_id = context.background.inbox.store([arrival])[0].inbox_id
    assert inbox_id is not None
    return int(inbox_id)


def deliver(client: TestClient, event: dict[str, Any]) -> None:
    answer = client.post("/api/webhooks/external", json={"secret": "hook-secret-1", **event})
    assert answer.status_code == 200, answer.text


def drained(context: Context) -> dict[str, tuple[str, str | None]]:
    """Status and reason of each event by its id, once nothing waits."""
    until, c = time.monotonic() + WAIT_SECONDS, webhook_inbox.c
    while True:
        with context.store.read() as connection:
            found = connection.execute(sa.select(c.event_id, c.status, c.reason)).fetchall()
        if all(status != "queued" for _, status, _ in found):
            return {str(event_id): (str(status), reason) for event_id, status, reason in found}
        assert time.monotonic() < until, found
        time.sleep(0.05)


def name_now(project: Project) -> str:
    with duckdb.connect(str(project.data_dir / "default" / "raw" / "external.duckdb"), read_only=True) as con:
        found = con.execute("select record->>'name' from raw.contacts_current where id = ?", [WHO]).fetchall()
    return str(found[0][0])


def test_it_is_tried_after_ten_minutes_and_then_after_as_long_again_as_it_has_waited(context: Context) -> None:
    inbox_id = put_aside(context, "a", {})
    store, c = context.store, webhook_inbox.c

    def is_due(received_minutes_ago: float, tried_minutes_ago: float | None) -> bool:
        now = now_us()
        tried = None if tried_minutes_ago is None else now - int(tried_minutes_ago * MINUTE)
        aside = {"status": set_aside.SET_ASIDE, "received_at": now - int(received_minutes_ago * MINUTE)}
        with store.write() as connection:
            mine = sa.update(webhook_inbox).where(c.inbox_id == inbox_id)
            connection.execute(mine.values(done_at=tried, **aside))
        return set_aside.try_due(store) == 1

    context.background.stop()  # nobody takes it in meanwhile
    assert [is_due(ago, None) for ago in (0, 9, 11, 3000)] == [False, False, True, True]
    assert [is_due(ago, ago - 10) for ago in (15, 19, 21)] == [False, False, True], "tried once, after ten minutes"
    assert [is_due(ago, ago - 60) for ago in (90, 121)] == [False, True], "tried an hour after it came"
    with store.read() as connection:
        row = connection.execute(sa.select(c.status, c.reason)).one()
    assert tuple(row) == (set_aside.QUEUED, REASON), "it says that it comes late"


def test_once_the_mapping_is_mended_a_call_takes_it_in(
    own_mappings: Path, client: TestClient, context: Context, project: Project, bearer: Callable[..., dict[str, str]]
) -> None:
    path = own_mappings / "external.yml"
    good = path.read_text()
    path.write_text(good.replace('record: "$"', "record: inside"))
    assert path.read_text() != good
    deliver(client, body("Ann", event_id="a"))
    assert drained(context) == {"a": ("set_aside", "no record at inside")}
    mine = bearer("default")
    listed = client.get("/api/set-aside", headers=mine).json()
    assert [(e["connection"], e["reason"]) for e in listed["events"]] == [("external", "no record at inside")]
    assert "Ann" not in json.dumps(listed)
    assert client.post("/api/set-aside/retry", headers=mine).json() == {"success": True, "queued": 1}
    assert drained(context)["a"] == ("set_aside", "no record at inside"), "it still cannot be mapped"
    path.write_text(good)
    context.connections.forget("default", "external")  # what is kept of a connection is looked up again in a minute
    assert client.post("/api/set-aside/retry", headers=mine, json={"connection": "other"}).json()["queued"] == 0
    assert client.post("/api/set-aside/retry", headers=bearer("bob")).json()["queued"] == 0
    assert client.post("/api/set-aside/retry", headers=mine, json={"connection": "external"}).json()["queued"] == 1
    assert drained(context)["a"] == ("done", None)
    assert name_now(project) == "Ann"
    assert client.get("/api/set-aside", headers=mine).json()["events"] == []


def test_what_comes_late_never_undoes_what_was_told_since(
    client: TestClient, context: Context, project: Project
) -> None:
    deliver(client, body("Newer", event_id="n", occurred_at="2026-08-02T00:00:00Z"))
    drained(context)
    put_aside(context, "late", body("Older"), 1_000_000)
    assert set_aside.try_again(context.store, "default") == 1
    context.background.take_in()
    assert drained(context)["late"] == ("done", None)
    assert name_now(project) == "Newer"


def test_what_is_told_after_it_but_happened_before_is_skipped(
    client: TestClient, context: Context, project: Project
) -> None:
    put_aside(context, "late", body("Newest"), now_us())
    set_aside.try_again(context.store, "default", "external")
    context.background.take_in()
    drained(context)
    deliver(client, body("Older", event_id="o", occurred_at="2026-08-02T00:00:00Z"))
    assert drained(context)["o"] == ("skipped", "older than what was told before")
    assert name_now(project) == "Newest"


def test_without_a_moment_the_order_of_arrival_holds(client: TestClient, context: Context, project: Project) -> None:
    put_aside(context, "first", body("First"))
    deliver(client, body("Second", event_id="second"))
    drained(context)
    set_aside.try_again(context.store)
    context.background.take_in()
    assert drained(context)["first"] == ("done", None)
    assert name_now(project) == "Second"


def test_the_command_queues_them(context: Context, project: Project) -> None:
    put_aside(context, "a", {})
    context.background.stop()
    folder = ["--data-dir", str(project.data_dir)]
    for words, number in ((["other"], 0), ([], 1), ([], 0)):
        done = CliRunner().invoke(retry_command, [*words, *folder])
        assert done.exit_code == 0, done.output
        assert f"{number} webhooks will be taken in again" in done.output
