"""How fast extract is: beside the floor, and beside dlt's rest_api yielding dicts; all read the same local server.

    python bench/extract.py [--records 1000000] [--page 1000] [--rounds 1] [--only ours,floor,dicts]

The floor is what the same work costs with nothing around it: httpx, orjson, Arrow, and one append into DuckDB of id,
modified and the record's text. Each reader is a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import re
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
OFFSET = re.compile(rb"[?&]offset=(\d+)")


def rendered(page: int, size: int, total: int) -> bytes:
    """One page of contacts, about 380 bytes each."""
    records = [
        {
            "id": 1_000_000 + i, "first_name": f"Ada{i}", "last_name": "Okoro", "email": f"ada{i}@example.com",
            "phone": f"+1 206 555 {i % 10000:04}", "company": "Acme Realty", "status": "nurture", "rating": i % 5,
            "notes": "Looks for a three bedroom house with a garden near the lake, flexible on the date.",
            "tags": ["buyer", "vip"], "created_at": "2026-01-01T00:00:00Z",
            "updated_at": f"2026-02-{i % 28 + 1:02}T00:00:{i % 60:02}Z",
            "address": {"street": f"{i % 900} Elm Rd", "city": "Tacoma", "zip": "98401"},
        }
        for i in range(page * size, min(total, (page + 1) * size))
    ]  # fmt: skip
    return json.dumps({"contacts": records, "total": total}, separators=(",", ":")).encode()


def serve(size: int, total: int, ready: Any) -> None:
    """Pre-rendered pages: a page's text is rendered once, and only its ids differ from page to page."""
    template = rendered(0, size, total)
    first = re.compile(rb'"id":1(\d{6})')
    pages: dict[int, bytes] = {}
    for page in range(-(-total // size)):
        number = iter(range(page * size, (page + 1) * size))
        pages[page] = first.sub(lambda _, n=number: b'"id":1%07d' % next(n), template)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def do_GET(self) -> None:
            found = OFFSET.search(self.path.encode())
            body = pages[int(found[1]) // size if found else 0]
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            self.wfile.write(head + body)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ready.send(server.server_address[1])
    server.serve_forever()


def ours(url: str, size: int, _: int, folder: Path) -> int:
    """The project's extract."""
    from pipelines.connections.connection import Connection, Settings
    from pipelines.connections.owner import Owner
    from pipelines.extract.run import extract
    from pipelines.mapping.language import Mapping

    entity = {
        "extract": {"path": "contacts", "data_selector": "contacts", "paginator": {"type": "offset", "limit": size}},
        "id": "id", "modified": "updated_at", "fields": {"first_name": "first_name"},
    }  # fmt: skip
    mapping = Mapping.model_validate(
        {"crm": "bench", "label": "Bench", "connection": {"kind": "http", "base_url": url},
         "entities": {"contacts": entity}}
    )  # fmt: skip
    connection = Connection("bench", Owner("bench", folder), mapping, Settings(), True, mapping.connection)
    return extract(connection)[0].new


def floor(url: str, size: int, total: int, folder: Path) -> int:
    """httpx, orjson, Arrow, DuckDB append, and nothing else."""
    import duckdb
    import httpx
    import orjson
    import pyarrow as pa

    con = duckdb.connect(str(folder / "floor.duckdb"))
    con.execute("create table contacts (id varchar, modified varchar, record varchar)")
    with httpx.Client() as client:
        batch: list[Any] = []
        for offset in range(0, total, size):
            batch += orjson.loads(client.get(f"{url}/contacts?limit={size}&offset={offset}").content)["contacts"]
            if len(batch) >= 50_000 or offset + size >= total:
                rows = pa.table(
                    {
                        "id": pa.array([str(r["id"]) for r in batch], pa.string()),
                        "modified": pa.array([r["updated_at"] for r in batch], pa.string()),
                        "record": pa.array([orjson.dumps(r) for r in batch], pa.binary()).cast(pa.string()),
                    }
                )
                con.execute("insert into contacts select id, modified, record from rows")
                del rows
                batch = []
    return int(con.execute("select count(*) from contacts").fetchall()[0][0])


def dicts(url: str, size: int, _: int, folder: Path) -> int:
    """dlt's rest_api yielding dicts: Parquet files, no nesting."""
    import dlt
    from dlt.sources.rest_api import rest_api_source

    source = rest_api_source(
        {
            "client": {"base_url": url, "paginator": {"type": "offset", "limit": size}},
            "resources": [
                {"name": "contacts", "max_table_nesting": 0,
                 "endpoint": {"path": "contacts", "data_selector": "contacts"}}
            ],
        },
        max_table_nesting=0,
    )  # fmt: skip
    path = folder / "dicts.duckdb"
    pipeline = dlt.pipeline(
        "bench_dicts", pipelines_dir=str(folder / "dlt"), destination=dlt.destinations.duckdb(str(path)),
        dataset_name="raw",
    )  # fmt: skip
    pipeline.run(source, loader_file_format="parquet")
    import duckdb

    with duckdb.connect(str(path)) as con:
        return int(con.execute("select count(*) from raw.contacts").fetchall()[0][0])


READERS = {"ours": ours, "floor": floor, "dicts": dicts}


def child(name: str, url: str, size: int, total: int) -> None:
    """Runs one reader and prints seconds and peak memory; imports are made before the clock starts."""
    import dlt.sources.rest_api
    import duckdb  # noqa: F401

    assert dlt.sources.rest_api
    peak = [0.0]
    threading.Thread(target=watch, args=(peak,), daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        count = READERS[name](url, size, total, Path(folder))
        seconds = time.perf_counter() - begun
    assert count == total, (name, count, total)
    rss = max(peak[0], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"seconds": seconds, "peak_mb": rss, "cpu": used.ru_utime + used.ru_stime}))


def watch(peak: list[float]) -> None:
    """The most memory this process held, sampled; the kernel's own mark would count the parent's before exec."""
    while True:
        with Path("/proc/self/statm").open() as file:
            peak[0] = max(peak[0], int(file.read().split()[1]) * 4096 / 2**20)
        time.sleep(0.02)


def measure(name: str, url: str, size: int, total: int) -> dict[str, float]:
    """One reader in a process of its own."""
    command = [sys.executable, __file__, "--child", name, "--url", url, "--page", str(size), "--records", str(total)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def machine() -> str:
    """What it ran on."""
    told = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    model = told[0].split(":")[1].strip() if told else platform.machine()
    return f"{platform.system()}, {os.cpu_count()} cores of {model}, Python {platform.python_version()}"


def main() -> None:
    """Measures the readers in turn and prints rates and ratios."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--records", type=int, default=1_000_000)
    arguments.add_argument("--page", type=int, default=1000)
    arguments.add_argument("--rounds", type=int, default=1)
    arguments.add_argument("--only", default="ours,floor,dicts")
    arguments.add_argument("--child")
    arguments.add_argument("--url")
    given = arguments.parse_args()
    if given.child:
        child(given.child, given.url, given.page, given.records)
        return
    ours_end, theirs = multiprocessing.get_context("fork").Pipe()
    server = multiprocessing.get_context("fork").Process(
        target=serve, args=(given.page, given.records, theirs), daemon=True
    )
    server.start()
    url = f"http://127.0.0.1:{ours_end.recv()}"
    found: dict[str, list[dict[str, float]]] = {name: [] for name in given.only.split(",")}
    for _ in range(given.rounds):
        for name, results in found.items():
            results.append(measure(name, url, given.page, given.records))
    server.terminate()
    report(found, given.records, given.page)


def report(found: dict[str, list[dict[str, float]]], records: int, page: int) -> None:
    """Prints the median of each reader, and what it is of the others."""
    print(f"{records:,} records, {page:,} a page; {machine()}")
    rates = {}
    for name, results in found.items():
        seconds = statistics.median(r["seconds"] for r in results)
        rates[name] = records / seconds
        cpu, peak = statistics.median(r["cpu"] for r in results), max(r["peak_mb"] for r in results)
        print(
            f"{name:6} {seconds:7.2f} s {rates[name]:10,.0f} records/s {cpu:7.2f} s of processor {peak:7,.0f} MB peak"
        )
    for other, wanted in (("floor", "at least 0.8"), ("dicts", "at least 3")):
        if "ours" in rates and other in rates:
            print(f"ours / {other}: {rates['ours'] / rates[other]:.2f} ({wanted})")


if __name__ == "__main__":
    main()
