"""The client of a push: fresh credentials once for all tasks."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pipelines.connections.connection import Connection
from pipelines.push.client import Client
from pipelines.push.template import Call
from pipelines.wire.limiter import Limiter


class Crm(ThreadingHTTPServer):
    """Gives a token at each login; the first is no longer good when it is used."""

    daemon_threads = True

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Crm

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.server.lock:
            self.server.counted["logins"] += 1
            number = self.server.counted["logins"]
        self._answer(200, {"access_token": f"token-{number}", "expires_in": 3600, "token_type": "Bearer"})

    def do_GET(self) -> None:
        is_old = self.headers.get("Authorization") == "Bearer token-1"
        with self.server.lock:
            self.server.counted["refused" if is_old else "answered"] += 1
        self._answer(401 if is_old else 200, {})

    def _answer(self, status: int, said: Any) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def crm() -> Iterator[Crm]:
    with Crm() as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield served
        served.shutdown()


def client_of(connect: Any, **wire: Any) -> Client:
    connection: Connection = connect(lambda text: text["connection"].update(wire))
    return Client(connection, Limiter([]), backoff=0.001)


def test_concurrent_tasks_refresh_a_token_once(crm: Crm, connect: Any) -> None:
    auth = {
        "type": "oauth2_client_credentials", "access_token_url": f"{crm.url}/token", "client_id": "me",
        "client_secret": "s3cr3t",
    }  # fmt: skip

    async def calls() -> list[int]:
        async with client_of(connect, base_url=crm.url, auth=auth, concurrency=8) as client:
            answers = await asyncio.gather(*(client.send(Call("GET", f"things/{n}"), "read") for n in range(30)))
            return [answer.status for answer in answers]

    assert asyncio.run(calls()) == [200] * 30
    assert crm.counted["logins"] == 2, "one at the start, one for all who were refused"
    assert crm.counted["answered"] == 30
    assert 1 <= crm.counted["refused"] <= 30
