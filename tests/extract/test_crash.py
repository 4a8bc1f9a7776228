"""kill -9 at any instant of an extract, over HTTP and dlt: after the next run nothing is lost and nothing doubled."""

from __future__ import annotations

import itertools
import json
import random
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pipelines.extract.load import Folder
from pipelines.extract.run import extract

PROGRAM = """
    import sys
    from dataclasses import replace
    from pathlib import Path
    import extract_memory as memory
    from dying import arm
    from pipelines.extract.run import extract
    connection = memory.connection(Path(sys.argv[1]), wire={"base_url": sys.argv[2]})
    print("reading", flush=True)
    if len(sys.argv) > 3:
        arm(sys.argv[1], int(sys.argv[3]), float(sys.argv[4]))
    extract(connection)
    print("done", flush=True)
"""


@pytest.fixture
def crm() -> Iterator[dict[str, Any]]:
    """A CRM over HTTP on loopback: `records`; the call numbered `stops_at` is not answered until it `goes_on`."""
    world: dict[str, Any] = {
        "records": [{"id": str(i), "name": f"n{i}"} for i in range(60)], "calls": itertools.count(1), "stops_at": 0,
        "has_stopped": threading.Event(), "goes_on": threading.Event(),
    }  # fmt: skip

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            start = int(query.get("offset", ["0"])[0])
            if next(world["calls"]) == world["stops_at"]:
                world["has_stopped"].set()
                world["goes_on"].wait()
            body = json.dumps(
                {"contacts": world["records"][start : start + 3], "total": len(world["records"])}
            ).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    world["url"] = f"http://127.0.0.1:{server.server_address[1]}"
    yield world
    world["goes_on"].set()
    server.shutdown()


def start(folder: Path, url: str, *dies: float, first: str = "") -> subprocess.Popen[str]:
    """Begins to extract; `dies`: after how many steps (tests/kit/dying.py), and how many milliseconds later."""
    command = [
        sys.executable,
        "-c",
        textwrap.dedent(first) + textwrap.dedent(PROGRAM),
        str(folder),
        url,
        *map(str, dies),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "reading\n"
    return process


def check(memory: ModuleType, connection: Any, crm: dict[str, Any]) -> None:
    extract(connection)
    assert memory.current(connection) == {r["id"]: r for r in crm["records"]}
    doubled = "select id, hash, seen from raw.contacts group by all having count(*) > 1"
    assert memory.rows(connection, doubled) == []


def test_killed_while_pages_are_read(memory: ModuleType, tmp_path: Path, crm: dict[str, Any]) -> None:
    connection = memory.connection(tmp_path, wire={"base_url": crm["url"]})
    crm["stops_at"] = 9
    process = start(tmp_path, crm["url"])
    assert crm["has_stopped"].wait(250)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not connection.owner.raw("memory").exists()
    crm["goes_on"].set()
    check(memory, connection, crm)


def test_killed_in_its_first_load_of_all(memory: ModuleType, tmp_path: Path, crm: dict[str, Any]) -> None:
    """dlt has handed the package over, and not yet noted what its schema is called."""
    for steps in range(110, 200, 10):
        connection = memory.connection(tmp_path / str(steps), wire={"base_url": crm["url"]})
        start(tmp_path / str(steps), crm["url"], steps, 0).communicate()
        if Folder(connection).has_pending():
            break
    assert Folder(connection).has_pending()
    check(memory, connection, crm)


@pytest.mark.slow
def test_killed_at_any_instant(memory: ModuleType, tmp_path: Path, crm: dict[str, Any]) -> None:
    connection = memory.connection(tmp_path, wire={"base_url": crm["url"]})
    dice = random.Random(7)
    struck = 0
    for round_ in range(10):
        for record in dice.sample(crm["records"], 20):
            record["name"] = f"r{round_}-{dice.random()}"
        process = start(tmp_path, crm["url"], dice.randrange(250), dice.choice([0, 0, dice.uniform(0, 30)]))
        said, _ = process.communicate()
        struck += process.returncode == -signal.SIGKILL
        assert process.returncode == -signal.SIGKILL or "done" in said
        if round_ % 2:
            check(memory, connection, crm)
    check(memory, connection, crm)
    assert struck >= 3, "a read takes 265 steps"


CUT_AFTER_COMMIT = """
    import os
    from dlt.destinations.impl.duckdb.duck import DuckDbCopyJob
    commit = DuckDbCopyJob.run

    def commit_and_die(job):
        commit(job)
        if "contacts" in job._file_path:
            os._exit(9)

    DuckDbCopyJob.run = commit_and_die
"""


def test_a_crash_between_commit_and_its_note_doubles_nothing(
    memory: ModuleType, tmp_path: Path, crm: dict[str, Any]
) -> None:
    connection = memory.connection(tmp_path, wire={"base_url": crm["url"]})
    process = start(tmp_path, crm["url"], first=CUT_AFTER_COMMIT)
    process.communicate()
    assert process.returncode == 9
    assert memory.rows(connection, "select count(*) from raw.contacts") == [(60,)]
    crm["records"][1]["name"] = "changed"
    check(memory, connection, crm)
    assert memory.rows(connection, "select count(*) from raw.contacts") == [(61,)]


def test_a_job_that_dlt_repeats_doubles_nothing(
    memory: ModuleType, tmp_path: Path, crm: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dlt.destinations.impl.duckdb.duck import DuckDbCopyJob

    connection = memory.connection(tmp_path, wire={"base_url": crm["url"]})
    commit, failures = DuckDbCopyJob.run, iter([True])

    def commit_and_fail_once(job: Any) -> None:
        commit(job)
        if "contacts" in job._file_path and next(failures, False):
            raise OSError("the connection broke after the commit")

    monkeypatch.setattr(DuckDbCopyJob, "run", commit_and_fail_once)
    check(memory, connection, crm)
    assert memory.rows(connection, "select count(*) from raw.contacts") == [(60,)]
