"""The sandbox as a process: it starts, is found, keeps what was written, and ends with its parent."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from pipelines.sandbox import SandboxError, SandboxHandle, find, start, use

ROOT = Path(__file__).resolve().parents[2]


def people_of(sandbox: SandboxHandle) -> list[dict[str, object]]:
    environment = sandbox.environment("brivity_core")
    url = f"{environment['BRIVITY_CORE_API_BASE_URL']}/api/people?limit=5000"
    answer = httpx.get(url, headers={"Authorization": f"Token token={environment['BRIVITY_CORE_API_KEY']}"})
    people: list[dict[str, object]] = answer.raise_for_status().json()
    return people


def is_gone(pid: int) -> bool:
    """Waits until a process has ended."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
            if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


def test_what_was_written_survives_kill_9(tmp_path: Path) -> None:
    first = start(tmp_path, ["brivity_core"], size=20)
    environment = first.environment("brivity_core")
    headers = {"Authorization": f"Token token={environment['BRIVITY_CORE_API_KEY']}"}
    url = f"{environment['BRIVITY_CORE_API_BASE_URL']}/api/v2/leads"
    assert httpx.post(url, headers=headers, json={"email": "ada@example.com"}, timeout=30).status_code == 201
    assert first.process is not None
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    before = {"ada@example.com"}
    assert find(tmp_path) is None
    first.stop()
    with start(tmp_path, ["brivity_core"]) as second:
        assert second.size == 20
        assert before <= {person["email_address"] for person in people_of(second)}


def test_a_running_sandbox_is_found_and_not_started_twice(tmp_path: Path) -> None:
    assert find(tmp_path) is None
    with start(tmp_path, ["brivity_core"], size=20) as sandbox:
        found = find(tmp_path)
        assert found is not None
        assert (found.address, found.environment("brivity_core")) == (
            sandbox.address,
            sandbox.environment("brivity_core"),
        )
        with pytest.raises(SandboxError, match="another sandbox serves"):
            start(tmp_path, ["brivity_core"])
        shared = use(tmp_path)
        shared.stop()
        assert people_of(sandbox), "who did not start it does not end it"
        noted = json.loads((tmp_path / "sandbox.json").read_text())
        assert (noted["url"], noted["crms"], noted["seed"]) == (sandbox.address, ["brivity_core"], 7)
        assert noted["pid"] == sandbox.process.pid if sandbox.process else False
    assert find(tmp_path) is None


def test_who_started_it_leaves_it_to_its_guests(tmp_path: Path) -> None:
    first = start(tmp_path, ["brivity_core"], size=20)
    second = use(tmp_path)
    assert first.process is not None
    first.stop()
    assert people_of(second), "a run that goes on keeps its CRM"
    second.stop()
    assert is_gone(first.process.pid)


@pytest.mark.parametrize("from_a_thread", [False, True])
def test_the_sandbox_ends_with_its_parent(tmp_path: Path, from_a_thread: bool) -> None:
    begin = "started()" if not from_a_thread else "t = threading.Thread(target=started); t.start(); t.join()"
    program = f"""
        import threading, time
        from pipelines.sandbox import start
        def started():
            global handle
            handle = start({str(tmp_path)!r}, ["brivity_core"], size=20)
            print(handle.process.pid, flush=True)
        {begin}
        time.sleep(600)
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    time.sleep(0.2)
    assert find(tmp_path) is not None, "the thread that started it has ended, its process has not"
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert is_gone(child)
    assert find(tmp_path) is None


def test_a_thread_that_ends_does_not_end_the_sandbox(tmp_path: Path) -> None:
    handles: list[SandboxHandle] = []
    thread = threading.Thread(target=lambda: handles.append(start(tmp_path, ["brivity_core"], size=20)))
    thread.start()
    thread.join()
    time.sleep(0.1)
    with handles[0] as sandbox:
        assert people_of(sandbox)


def test_starting_makes_no_world_yet(tmp_path: Path) -> None:
    """A CRM's records are made when it is first asked for them: whoever needs one does not wait for all."""
    with start(tmp_path) as sandbox:
        made = [tmp_path / f"{crm}.sqlite" for crm in sandbox.crms]
        assert made
        for path in made:
            with closing(sqlite3.connect(path)) as held:
                assert held.execute("select count(*) from records").fetchall() == [(0,)]


def test_what_it_refuses_it_explains(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=r"knows no CRM 'abacus'; it knows .*brivity"):
        start(tmp_path, ["abacus"])
    with start(tmp_path, ["brivity_core"], seed=3, size=20) as sandbox:
        assert (sandbox.seed, sandbox.size) == (3, 20)
        with pytest.raises(SandboxError, match="has no CRM 'brivity'"):
            sandbox.url("brivity")
    with pytest.raises(SandboxError, match="holds a world of seed 3 and size 20"):
        start(tmp_path, ["brivity_core"], seed=4)


def test_a_single_crm_needs_no_mount(tmp_path: Path) -> None:
    with start(tmp_path, ["brivity_core"], size=20) as sandbox:
        assert httpx.get(f"{sandbox.address}/api/people").text == "Bad Credentials"


def test_the_world_is_seeded_once(tmp_path: Path) -> None:
    with start(tmp_path, ["brivity_core"], size=20) as sandbox:
        first = people_of(sandbox)
        sandbox.admin("PATCH", f"brivity_core/records/people/{first[0]['id']}", {"company": "Edited Ltd"})
    with start(tmp_path, ["brivity_core"], size=20) as sandbox:
        assert people_of(sandbox)[0]["company"] == "Edited Ltd"
        sandbox.admin("POST", "reset")
        assert people_of(sandbox) == first
