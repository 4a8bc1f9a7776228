"""Apply of ten thousand updates to an unlimited local CRM, beside a bare httpx loop that sends the same bodies.

    python bench/push_apply.py [updates, default 10000] [batch size, default 100; 1: single calls] [sandbox or echo]

`sandbox` (default) is the emulated HubSpot without limits, in a process of its own, with its real mapping: it stores
what it is sent, committed before it answers. `echo` is a server that keeps nothing and answers at once: beside it one
sees what intents, ledger, read-backs and freshness cost by themselves.

The calls of a first apply are recorded, and the loop sends them again: the same reads and writes, byte for byte, with
the same concurrency, from bodies that are ready. Loop and apply take turns; the best of each counts. Processor time is
printed too, which says more where other programs run.

The freshness reads are part of what the loop does, so that both make the same calls. What apply does beside them takes
about 0.07 ms of processor time a record: intents, ledger and echoes, reading records as staging reads them, taking the
plan apart, bodies and outcomes. It runs while the CRM works, but in one interpreter. Of batches the emulated CRM takes
as much for both calls, so that two processors are busy all the time, and apply reaches about 0.8 of the loop's rate; of
single calls, which cost httpx more than all of this, it makes more than the loop (wire/network.py).
"""

from __future__ import annotations

import asyncio
import math
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import orjson
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.push_apply_crms import CONCURRENCY, Crm, Record, echo, emulated
from pipelines.connections.owner import Owner
from pipelines.mapping.load import load_schemas
from pipelines.push.apply import Applied, apply
from pipelines.push.planned import REFERENCES, ROWS, Plan
from pipelines.staging.read_back import RecordReader
from pipelines.state.database import State, open_state
from pipelines.wire.limiter import Limiter

ROUNDS = 3
FIELDS = {"first_name": "First", "last_name": "Last", "company": "Company"}


class Recorder(httpx.AsyncHTTPTransport):
    """The network, with a note of every call."""

    def __init__(self) -> None:
        super().__init__(limits=httpx.Limits(max_connections=CONCURRENCY, max_keepalive_connections=CONCURRENCY))
        self.calls: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Notes the call, and makes it."""
        self.calls.append(request)
        return await super().handle_async_request(request)


def plan_of(crm: Crm, reader: RecordReader, word: str) -> Plan:
    """Updates of three fields each, of records as they are now."""
    records: list[Record] = crm.contacts()
    name = crm.connection.name
    given = {
        "connection": name, "entity": "contacts", "wanted": "update", "action": "update", "why": "differs",
        "keeper": "latest", "is_conflict": False, "attempt": 1, "fingerprint": "f",
    }  # fmt: skip
    rows = [
        {**given, "golden_id": f"g{record['id']}", "record_key": f"{name}:{record['id']}", "source_id": record["id"],
         "modified_at": row["modified_at"], "place": place, "field": field, "old": row[field],
         "new": f'"{value} {word} {place}"'}
        for place, (record, row) in enumerate(zip(records, reader("contacts", records), strict=True))
        for field, value in FIELDS.items()
    ]  # fmt: skip
    table = pa.Table.from_arrays(
        [pa.array([row.get(kind.name) for row in rows], kind.type) for kind in ROWS], schema=ROWS
    )
    counts = {"contacts": {"records": crm.number, "update": crm.number, "create": 0, "link": 0, "archive": 0}}
    return Plan(name, crm.connection.owner.name, table, REFERENCES.empty_table(), counts)


async def bare(calls: list[httpx.Request]) -> float:
    """Seconds of a loop that makes the calls, each write after its read, and keeps nothing."""
    writes = [call for call in calls if call.method == "PATCH" or call.url.path.endswith("/update")]
    reads = [call for call in calls if call not in writes]
    waiting = iter(zip(reads, writes, strict=True))
    limits = httpx.Limits(max_connections=CONCURRENCY, max_keepalive_connections=CONCURRENCY)
    async with httpx.AsyncClient(limits=limits, timeout=60, trust_env=False) as client:

        async def worker() -> None:
            for pair in waiting:
                for call in pair:
                    answer = await client.request(call.method, call.url, content=call.content, headers=call.headers)
                    assert answer.status_code < 300, answer.text
                    orjson.loads(answer.content)

        started = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
        return time.perf_counter() - started


def measured(crm: Crm, state: State, schemas: Any, rounds: int) -> tuple[float, Applied]:
    """Seconds of the best loop, and the best apply."""
    reader = RecordReader(crm.connection, schemas)

    def push(word: str, transport: Recorder | None = None) -> tuple[Applied, float]:
        made = plan_of(crm, reader, word)
        started = time.process_time()
        done = apply(
            made, crm.connection, state, schemas, reader, run_id=f"bench-{word}", limiter=Limiter([]),
            transport=transport,
        )  # fmt: skip
        return done, time.process_time() - started

    recorder = Recorder()
    push("recorded", recorder)
    floors, applied = [], []
    for n in range(rounds):
        started = time.process_time()
        floors.append(asyncio.run(bare(recorder.calls)))
        busy = time.process_time() - started
        done, ours = push(f"{n:08}")
        applied.append(done)
        print(
            f"  loop {floors[-1]:.2f} s (processor {busy:.2f}), apply {done.seconds:.2f} s (processor {ours:.2f})",
            flush=True,
        )
    return min(floors), min(applied, key=lambda one: one.seconds)


def main() -> None:
    """Prints rates, their ratio, calls and machine."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    size = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    serve = echo if sys.argv[3:] == ["echo"] else emulated
    schemas = {"contacts": load_schemas(Path(__file__).resolve().parents[1] / "schemas")["contacts"]}
    with tempfile.TemporaryDirectory() as folder:
        owner = Owner("sandbox", Path(folder))
        owner.root.mkdir(parents=True, exist_ok=True)
        with open_state(owner) as state, serve(owner, number, size) as crm:
            floor, done = measured(crm, state, schemas, ROUNDS if size > 1 else 1)
    assert done.counts == {"contacts": {"done": number, "sent": number}}, done.counts
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, httpx {httpx.__version__}"
    )
    expected = 2 * math.ceil(number / size)
    print(f"{number} updates, {size} a call: {done.calls} calls, {expected} expected with the freshness reads")
    print(f"bare loop {number / floor:.0f}/s, apply {number / done.seconds:.0f}/s: ratio {floor / done.seconds:.2f}")


if __name__ == "__main__":
    main()
