"""With latency on every call a sync uses nine tenths of what the CRM allows, and never more than that."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pipelines.connections.connection import Connection, Settings
from pipelines.connections.owner import Owner
from pipelines.extract.run import extract
from pipelines.mapping.language import Mapping

ALLOWED, SECONDS, LATENCY, PAGES = 10, 1.0, 0.15, 50


@pytest.fixture
def strict_crm() -> Iterator[dict[str, Any]]:
    """A CRM 150 ms away that refuses the eleventh call of any second."""
    world: dict[str, Any] = {"calls": [], "refused": 0}
    window: deque[float] = deque()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            time.sleep(LATENCY / 2)
            with lock:
                now = time.monotonic()
                while window and window[0] <= now - SECONDS:
                    window.popleft()
                is_too_many = len(window) >= ALLOWED
                window.append(now)
                world["calls"].append(now)
                world["refused"] += is_too_many
            time.sleep(LATENCY / 2)
            start = int(parse_qs(urlsplit(self.path).query)["offset"][0])
            rows = [{"id": i} for i in range(start, start + 2)]
            body = json.dumps({"contacts": rows, "total": PAGES * 2}).encode()
            self.send_response(429 if is_too_many else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    world["url"] = f"http://127.0.0.1:{server.server_address[1]}"
    yield world
    server.shutdown()


@pytest.mark.slow
def test_a_sync_uses_the_limit_and_keeps_within_it(strict_crm: dict[str, Any], tmp_path: Path) -> None:
    entity = {
        "extract": {"path": "contacts", "data_selector": "contacts", "paginator": {"type": "offset", "limit": 2}},
        "id": "id", "fields": {"name": "name"},
    }  # fmt: skip
    block = {
        "kind": "http", "base_url": strict_crm["url"], "limits": [{"requests": ALLOWED, "seconds": SECONDS}],
        "concurrency": 4,
    }  # fmt: skip
    mapping = Mapping.model_validate(
        {"crm": "x", "label": "Acme", "connection": block, "entities": {"contacts": entity}}
    )
    # a machine that stalls for a tenth of a second spoils a run: of ten one must be clean, usually the first
    runs = []
    for n in range(10):
        runs.append(_run(strict_crm, mapping, tmp_path / str(n)))
        if is_clean(*runs[-1]):
            break
    assert is_clean(*runs[-1]), runs


def is_clean(refused: int, rate: float) -> bool:
    """Nothing refused, at nine tenths of the limit or more."""
    return refused == 0 and rate >= 0.9 * ALLOWED / SECONDS


def _run(crm: dict[str, Any], mapping: Mapping, folder: Path) -> tuple[int, float]:
    """Calls that were refused, and calls a second."""
    crm["calls"].clear()
    crm["refused"] = 0
    connection = Connection("x", Owner("o", folder), mapping, Settings(), True, mapping.connection)
    assert extract(connection)[0].new == PAGES * 2
    calls = crm["calls"]
    assert len(calls) - crm["refused"] == PAGES
    return crm["refused"], (len(calls) - 1) / (calls[-1] - calls[0])
