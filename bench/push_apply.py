"""Apply of ten thousand updates to a local CRM, beside a bare httpx loop that sends the same bodies.

    python bench/push_apply.py [updates, default 10000] [batch size, default 1: single calls]

The CRM is a small server in a process of its own that answers each call with what it was sent. The freshness reads are
counted and sent by both; what differs is all the rest: intents, ledger, read-backs, limiter.
"""

from __future__ import annotations

import asyncio
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import orjson
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipelines.connections.connection import Connection, Settings
from pipelines.connections.owner import Owner
from pipelines.mapping.language import Mapping
from pipelines.mapping.load import load_schemas
from pipelines.push.apply import apply
from pipelines.push.planned import REFERENCES, ROWS, Plan
from pipelines.staging.read_back import RecordReader
from pipelines.state.database import open_state
from pipelines.wire.limiter import Limiter

CONCURRENCY = 8
SERVER = """
import json, socket, sys, uvicorn
async def app(scope, receive, send):
    if scope["type"] != "http": return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"): break
    asked = json.loads(body) if body else {}
    id = scope["path"].rpartition("/")[2]
    if scope["path"].endswith("/read"):
        there = {"updated": "2026-01-01T00:00:00Z", "first": "Old"}
        said = {"results": [{"id": one["id"], **there} for one in asked["inputs"]]}
    elif scope["path"].endswith("/update"):
        good = {"success": True, "updated": "2026-01-02T00:00:00Z"}
        said = [{"id": one["id"], **good, **one["values"]} for one in asked["rows"]]
    else:
        said = {"id": id, "updated": "2026-01-01T00:00:00Z", "first": "Old", **asked}
    answer = json.dumps(said).encode()
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


def connection(url: str, size: int, owner: Owner) -> Connection:
    """A CRM without limits that takes single records, or batches."""
    push: dict[str, Any] = {"fields": ["first_name", "last_name", "email"], "answer_record": "$"}
    contacts: dict[str, Any] = {
        "extract": {"path": "contacts"}, "get": {"path": "contacts/{id}"}, "id": "id", "modified": "updated",
        "fields": {"first_name": "first", "last_name": "last", "email": "email"}, "push": push,
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


def plan_of(number: int) -> Plan:
    """So many updates of three fields each."""
    values = {"first_name": "First", "last_name": "Last", "email": "ann@example.org"}
    given = {
        "connection": "c", "entity": "contacts", "wanted": "update", "action": "update", "why": "differs",
        "keeper": "latest", "is_conflict": False, "modified_at": 1_767_225_600_000_000, "attempt": 1,
        "fingerprint": "f",
    }  # fmt: skip
    rows = [
        {**given, "golden_id": f"g{i}", "record_key": f"c:{i}", "source_id": str(i), "place": i, "field": name,
         "old": '"Old"' if name == "first_name" else None, "new": f'"{value} {i}"'}
        for i in range(number) for name, value in values.items()
    ]  # fmt: skip
    table = pa.Table.from_arrays(
        [pa.array([row.get(kind.name) for row in rows], kind.type) for kind in ROWS], schema=ROWS
    )
    counts = {"contacts": {"records": number, "update": number, "create": 0, "link": 0, "archive": 0}}
    return Plan("c", "bench", table, REFERENCES.empty_table(), counts)


async def bare(url: str, number: int, size: int) -> float:
    """Seconds of a loop that reads and writes the same records with the same concurrency, and keeps nothing."""
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=CONCURRENCY), timeout=60) as client:

        async def one(start: int) -> None:
            places = range(start, start + size)
            bodies = [{"first": f"First {i}", "last": f"Last {i}", "email": f"ann@example.org {i}"} for i in places]
            if size == 1:
                orjson.loads((await client.get(f"{url}/contacts/{start}")).content)
                orjson.loads((await client.patch(f"{url}/contacts/{start}", content=orjson.dumps(bodies[0]))).content)
                return
            inputs = [{"id": str(i)} for i in range(start, start + size)]
            orjson.loads((await client.post(f"{url}/contacts/read", content=orjson.dumps({"inputs": inputs}))).content)
            rows = [{"id": str(start + i), "values": body} for i, body in enumerate(bodies)]
            orjson.loads((await client.post(f"{url}/contacts/update", content=orjson.dumps({"rows": rows}))).content)

        waiting = iter(range(0, number, size))

        async def worker() -> None:
            for start in waiting:
                await one(start)

        started = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
        return time.perf_counter() - started


def main() -> None:
    """Prints rates, their ratio, calls and machine."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    size = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    schemas = {"contacts": load_schemas(Path(__file__).resolve().parents[1] / "schemas")["contacts"]}
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    url = f"http://127.0.0.1:{int(server.stdout.readline())}"
    try:
        asyncio.run(bare(url, min(number, 500), size))
        with tempfile.TemporaryDirectory() as folder:
            owner = Owner("bench", Path(folder))
            made, crm = plan_of(number), connection(url, size, owner)
            reader = RecordReader(crm, schemas)
            reader("contacts", [{}])
            floor = asyncio.run(bare(url, number, size))
            with open_state(owner) as state:
                done = apply(made, crm, state, schemas, reader, run_id="bench", limiter=Limiter([]))
    finally:
        server.terminate()
        server.wait()
    assert done.counts == {"contacts": {"done": number, "sent": number}}, done.counts
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, httpx {httpx.__version__}"
    )
    print(
        f"{number} updates, {size} a call: {done.calls} calls, {2 * math.ceil(number / size)} expected with the reads"
    )
    print(f"bare loop {number / floor:.0f}/s, apply {number / done.seconds:.0f}/s: ratio {floor / done.seconds:.2f}")


if __name__ == "__main__":
    main()
