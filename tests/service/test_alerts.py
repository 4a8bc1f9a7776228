"""What goes wrong is told once for each opening, to a webhook or an e-mail address."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from pipelines.commands.exits import Exit
from pipelines.connections.owner import Owner
from pipelines.service import alerts, jobs
from pipelines.service.alerts import Alert, NotSent, look, send
from pipelines.service.context import Context
from pipelines.service.jobs import store
from pipelines.service.settings import from_environment
from pipelines.state import runs
from pipelines.state.database import State, now_us, open_state
from pipelines.state.push_tables import intents

ALERT = Alert("run:sync:north", "ann", "north", "error", "north: sync failed; Request timeout after 15 seconds")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[State]:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with open_state(Owner("ann", tmp_path)) as opened:
        yield opened


@pytest.fixture
def listener() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An address that notes what it is told."""
    heard: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/hook", heard
        server.shutdown()


def ran(state: State, code: Exit, message: str = "why", names: tuple[str, ...] = ("north",)) -> None:
    run_id = runs.start(state, names)
    runs.finish(state, run_id, int(code), {"messages": [message]})


@pytest.mark.parametrize(
    ("code", "key"),
    [
        (Exit.CRM_FAILED, "run:sync:north"),
        (Exit.GUARDED, "run:guard:north"),
        (Exit.CHECKS_FAILED, "run:checks:north"),
        (Exit.FAULT, "run:sync:north"),
        (Exit.WRONG_SETTINGS, "run:sync:north"),
    ],
)
def test_a_failure_is_told_once_until_it_is_over(state: State, code: Exit, key: str) -> None:
    ran(state, code, "the reason")
    (alert,) = look(state)
    assert (alert.key, alert.connection, alert.owner) == (key, "north", "ann")
    assert "the reason" in alert.text
    ran(state, code, "the reason")
    assert look(state) == []
    ran(state, Exit.DONE)
    assert look(state) == []
    ran(state, code, "again")
    assert [a.key for a in look(state)] == [key]


def test_a_lock_and_others_successes_change_nothing(state: State) -> None:
    ran(state, Exit.LOCKED)
    assert look(state) == []
    ran(state, Exit.CRM_FAILED)
    ran(state, Exit.DONE, names=("south",))
    assert [a.connection for a in look(state)] == ["north"]


def test_dead_letters_are_told(state: State) -> None:
    with state.write() as connection:
        for number, status in enumerate(("dead", "dead", "failed")):
            connection.execute(sa.insert(intents).values(
                intent_id=str(number), run_id="r", connection="north", entity="contacts", action="update",
                golden_id="g", payload="{}", fingerprint="f", status=status, attempt=9, planned_at=now_us(),
            ))  # fmt: skip
    (alert,) = look(state)
    assert alert.text.startswith("north: 2 writes did not come through")
    with state.write() as connection:
        connection.execute(sa.update(intents).values(status="done"))
    assert look(state) == []


def test_the_webhook_hears_it(listener: tuple[str, list[dict[str, Any]]]) -> None:
    url, heard = listener
    assert send(from_environment({"ALERT_WEBHOOK_URL": url}), ALERT) == ["webhook"]
    assert heard == [{"event": "crosswalk.alert", **vars(ALERT)}]


def test_a_closed_way_is_told_without_its_address() -> None:
    with pytest.raises(NotSent) as closed:
        send(from_environment({"ALERT_WEBHOOK_URL": "http://127.0.0.1:9/secret-token"}), ALERT)
    assert "secret-token" not in str(closed.value)


class Mailbox(socketserver.StreamRequestHandler):
    """As much of SMTP as it takes to hear a message."""

    heard: list[str]

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        is_data, lines = False, []
        for raw in self.rfile:
            line = raw.decode().rstrip("\r\n")
            if is_data and line != ".":
                lines.append(line)
            elif is_data:
                is_data = False
                self.server.heard.append("\n".join(lines))  # type: ignore[attr-defined]
                self.wfile.write(b"250 ok\r\n")
            elif line.upper() == "DATA":
                is_data = True
                self.wfile.write(b"354 go on\r\n")
            elif line.upper() == "QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 ok\r\n")


def test_the_mailbox_hears_it() -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mailbox) as server:
        server.heard = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        said = {
            "ALERT_EMAIL": "ops@company.example, boss@company.example", "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(server.server_address[1]), "SMTP_SECURITY": "none",
            "SMTP_FROM": "crosswalk@company.example",
        }  # fmt: skip
        assert send(from_environment(said), ALERT) == ["email"]
        (message,) = server.heard  # type: ignore[attr-defined]
        server.shutdown()
    assert "Subject: Crosswalk, ann: north: sync failed" in message
    assert "To: ops@company.example, boss@company.example" in message
    assert "Request timeout after 15 seconds" in message


def test_after_a_job_the_operator_hears_of_it_once(
    serve: Callable[..., Any], context_of: Callable[[TestClient], Context], listener: Any
) -> None:
    url, heard = listener
    with serve(JWT_SECRET="x" * 40, ALERT_WEBHOOK_URL=url) as client:
        context = context_of(client)
        state = context.state_of(context.owner("ann"))
        ran(state, Exit.CRM_FAILED)
        with context.store.write() as connection:
            job_id = store.add(connection, "ann", "sync", ["north"], {}, next_at=now_us() + 10**12)
        job = store.get(context.store, job_id)
        assert job is not None
        for _ in range(3):
            alerts.after_job(context, job)
        (told,) = [j for j in jobs.listed(context, "ann") if j.kind == "alert"]
        context.background.jobs.wake()
        ended = jobs.wait(context, told.job_id, 120)
    assert ended is not None
    assert ended.status == "done"
    assert [said["key"] for said in heard] == ["run:sync:north"]
