"""The CRMs of `push_apply.py`: the emulated HubSpot without limits, and a server that keeps nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from pipelines.connections.connection import Connection, Settings
from pipelines.connections.owner import Owner
from pipelines.connections.project import find_project
from pipelines.connections.resolve import resolve
from pipelines.mapping.language import Mapping
from pipelines.sandbox.handle import start

Record = dict[str, Any]
CONCURRENCY = 8
ECHO = """
import orjson, socket, sys, uvicorn
there = {"updated": "2026-01-01T00:00:00Z", "first": "Old", "last": "Old", "company": "Old"}
async def app(scope, receive, send):
    if scope["type"] != "http": return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"): break
    asked = orjson.loads(body) if body else {}
    id = scope["path"].rpartition("/")[2]
    if scope["path"].endswith("/read"):
        said = {"results": [{"id": one["id"], **there} for one in asked["inputs"]]}
    elif scope["path"].endswith("/update"):
        said = [{"id": one["id"], "success": True, **there, **one["values"]} for one in asked["rows"]]
    else:
        said = {"id": id, **there, **asked}
    answer = orjson.dumps(said)
    headers = [(b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # so named, Nagle's algorithm is off
listener.bind(("127.0.0.1", 0))
listener.listen(128)
print(listener.getsockname()[1], flush=True)
config = uvicorn.Config(app, loop="asyncio", http="h11", log_level="error", lifespan="off", access_log=False)
uvicorn.Server(config).run(sockets=[listener])
"""


class Crm:
    """A connection to a running CRM, and so many of its contacts as they are now."""

    def __init__(self, connection: Connection, number: int) -> None:
        self.connection, self.number = connection, number

    def contacts(self) -> list[Record]:
        """In the CRM's own shape."""
        there = {"updated": "2026-01-01T00:00:00Z", "first": "Old", "last": "Old", "company": "Old"}
        return [{"id": str(i), **there} for i in range(self.number)]


class _Emulated(Crm):
    def contacts(self) -> list[Record]:
        wire = self.connection.wire
        headers = {"Authorization": f"Bearer {(wire.auth or {})['token']}"}
        names = "firstname,lastname,company,lastmodifieddate"
        params: dict[str, Any] = {"limit": 100, "properties": names}
        found: list[Record] = []
        with httpx.Client(headers=headers, timeout=60, trust_env=False) as client:
            while len(found) < self.number:
                page = client.get(f"{wire.base_url}/crm/v3/objects/contacts", params=params).json()
                found += page["results"]
                params["after"] = page["paging"]["next"]["after"]
        return found[: self.number]


@contextmanager
def echo(owner: Owner, number: int, size: int) -> Iterator[Crm]:
    """A server that answers each call with what it was sent."""
    server = subprocess.Popen([sys.executable, "-c", ECHO], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield Crm(_echo_connection(f"http://127.0.0.1:{int(server.stdout.readline())}", size, owner), number)
    finally:
        server.terminate()
        server.wait()


def _echo_connection(url: str, size: int, owner: Owner) -> Connection:
    push: dict[str, Any] = {"fields": ["first_name", "last_name", "company"], "answer_record": "$"}
    contacts: dict[str, Any] = {
        "extract": {"path": "contacts"}, "get": {"path": "contacts/{id}"}, "id": "id", "modified": "updated",
        "fields": {"first_name": "first", "last_name": "last", "company": "company"}, "push": push,
    }  # fmt: skip
    if size == 1:
        push["update_request"] = {"method": "PATCH", "path": "contacts/{id}"}
    else:
        update, read = {"method": "POST", "path": "contacts/update"}, {"method": "POST", "path": "contacts/read"}
        item, shape = {"id": "$id", "values": "$fields"}, {"size": size, "items": "rows"}
        push["update_batch"] = {"request": update, "item": item, "reader": "row_success", **shape}
        contacts["get_batch"] = {
            "request": read, "size": size, "items": "inputs", "item": {"id": "$id"}, "reader": "records",
        }  # fmt: skip
    spoken = {"base_url": url, "concurrency": CONCURRENCY}
    made = Mapping.model_validate({"crm": "c", "label": "C", "connection": spoken, "entities": {"contacts": contacts}})
    return Connection("c", owner, made, Settings(), True, made.connection)


@contextmanager
def emulated(owner: Owner, number: int, size: int) -> Iterator[Crm]:
    """The emulated HubSpot, without limits, and its mapping as it is; for single calls without its batches."""
    with start(owner.root / "crms", ["hubspot"], size=round(number * 1.5) + 100) as served:
        environment = served.environment("hubspot")
        found = resolve("hubspot", find_project(), owner.root, sandbox_environment=environment)
        contacts = found.mapping.entities["contacts"]
        assert contacts.push is not None
        assert contacts.push.update_batch is not None
        if size == 1:
            push = contacts.push.model_copy(update={"update_batch": None})
            contacts = contacts.model_copy(update={"push": push, "get_batch": None})
        elif size != contacts.push.update_batch.size:
            raise SystemExit(f"its batches hold {contacts.push.update_batch.size}, or 1 for single calls")
        mapping = found.mapping.model_copy(update={"entities": {"contacts": contacts}})
        wire = found.wire.model_copy(update={"concurrency": CONCURRENCY})
        yield _Emulated(Connection("hubspot", owner, mapping, found.settings, True, wire, found.secrets), number)
