"""The service is killed with -9 at its work: what it accepted is there, and what it had begun is told as it is."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from pipelines.connections.project import Project
from pipelines.sandbox.handle import SandboxHandle
from pipelines.sandbox.handle import start as start_sandbox

STORES = ("sqlite",)
SECRET = "a secret of the tests, thirty-two bytes or more"
EXTERNAL = {
    "EXTERNAL_CRM_API_URL": "http://127.0.0.1:9/", "EXTERNAL_CRM_API_KEY": "k",
    "EXTERNAL_CRM_WEBHOOK_SECRET": "hook-secret", "WEBHOOK_REFRESH_SECONDS": "3600", "JWT_SECRET": SECRET,
}  # fmt: skip
Start = Callable[..., Any]
pytestmark = pytest.mark.slow


def inbox(project: Project) -> list[tuple[str, str]]:
    with sqlite3.connect(f"file:{project.data_dir}/_service/state.sqlite?mode=ro", uri=True) as con:
        return con.execute("select event_id, status from webhook_inbox").fetchall()


class Senders:
    """A few CRMs that send events one after the other, each again until it is answered with 200."""

    def __init__(self, number: int) -> None:
        self.base = ""
        self.accepted: list[str] = []
        self.events = iter(range(10**9))
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=self._send) for _ in range(number)]

    def _send(self) -> None:
        with httpx.Client(timeout=30) as client:
            while not self.ending.is_set():
                number = next(self.events)
                event = {"secret": "hook-secret", "phone": f"62812{number % 50:07d}", "event_id": f"e{number}"}
                while not self._once(client, event | {"name": f"Name {number}"}):
                    time.sleep(0.1)
                self.accepted.append(f"e{number}")

    def _once(self, client: httpx.Client, event: dict[str, Any]) -> bool:
        try:
            return client.post(f"{self.base}/api/webhooks/external", json=event).status_code == 200
        except httpx.HTTPError:
            return False


def test_no_accepted_webhook_is_lost_and_none_counts_twice(start: Start, project: Project) -> None:
    senders = Senders(4)
    service = start(**EXTERNAL)
    senders.base = service.base
    for thread in senders.threads:
        thread.start()
    for _ in range(2):
        wanted = len(senders.accepted) + 60
        while len(senders.accepted) < wanted:
            time.sleep(0.05)
        service.end(signal.SIGKILL)
        known = {event_id for event_id, _ in inbox(project)}
        assert set(senders.accepted) <= known
        service = start(**EXTERNAL)
        senders.base = service.base
    senders.ending.set()
    for thread in senders.threads:
        thread.join(120)
    until = time.monotonic() + 240
    while any(status == "queued" for _, status in inbox(project)):
        assert time.monotonic() < until
        time.sleep(0.2)
    found = inbox(project)
    assert Counter(event_id for event_id, _ in found) == Counter(dict.fromkeys(senders.accepted, 1))
    assert {status for _, status in found} == {"done"}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[SandboxHandle]:
    """An emulated CRM that stands still until it is told to go on: what reads it is certain to be at it."""
    with start_sandbox(tmp_path / "sandbox", ["brivity"], size=60) as handle:
        assert handle.process is not None
        handle.process.send_signal(signal.SIGSTOP)
        try:
            yield handle
        finally:
            go_on(handle)


def go_on(office: SandboxHandle) -> None:
    assert office.process is not None
    office.process.send_signal(signal.SIGCONT)


class Api:
    """The service as the default owner calls it."""

    def __init__(self, base: str) -> None:
        token = jwt.encode({"sub": "default", "exp": time.time() + 3600}, SECRET, "HS256")
        self.client = httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=120)

    def begin(self) -> str:
        answer = self.client.post("/api/jobs", json={"connections": ["brivity"], "push": "off"})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job"]["job_id"])

    def job(self, job_id: str) -> dict[str, Any]:
        return dict(self.client.get(f"/api/jobs/{job_id}").json()["job"])

    def until(self, job_id: str, wanted: Callable[[dict[str, Any]], bool], seconds: float = 240) -> dict[str, Any]:
        ends = time.monotonic() + seconds
        while not wanted(job := self.job(job_id)):
            assert time.monotonic() < ends, job
            time.sleep(0.2)
        return job


def is_reading(job: dict[str, Any]) -> bool:
    return job["status"] == "running" and bool(job["progress"]) and job["progress"]["stage"] == "extract"


def has_ended(job: dict[str, Any]) -> bool:
    return job["status"] not in ("queued", "running")


def test_a_sync_goes_on_without_the_service_and_is_taken_up_again(
    start: Start, project: Project, office: SandboxHandle
) -> None:
    variables = office.environment("brivity") | {"JWT_SECRET": SECRET}
    service = start(**variables)
    job_id = Api(service.base).begin()
    Api(service.base).until(job_id, is_reading)
    service.end(signal.SIGKILL)
    children = processes_of(project, "run brivity")
    assert len(children) == 1
    api = Api(start(**variables).base)
    assert api.job(job_id)["status"] == "running"
    again = api.begin()  # another one waits for the first
    go_on(office)
    job = api.until(job_id, has_ended)
    assert (job["status"], job["attempts"], job["error"]) == ("done", 1, None)
    assert job["result"]["exit_code"] == 0
    assert len(processes_of(project, "run brivity")) <= 1
    after = api.until(again, has_ended)
    assert after["status"] == "done"
    assert after["started_at"] >= job["finished_at"]


def test_a_sync_that_died_with_the_service_is_told_so(start: Start, project: Project, office: SandboxHandle) -> None:
    variables = office.environment("brivity") | {"JWT_SECRET": SECRET}
    service = start(**variables)
    job_id = Api(service.base).begin()
    Api(service.base).until(job_id, is_reading)
    service.end(signal.SIGKILL)
    for pid in processes_of(project, "run brivity"):
        os.kill(pid, signal.SIGKILL)
    go_on(office)
    api = Api(start(**variables).base)
    job = api.until(job_id, has_ended)
    assert (job["status"], job["error"]) == ("interrupted", "the process ended before it could report")
    assert api.until(api.begin(), has_ended)["status"] == "done"


def processes_of(project: Project, words: str) -> list[int]:
    """Processes that work on this test's data."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid,stat,args"], capture_output=True, text=True, check=True).stdout
    lines = [line.split(None, 2) for line in listed.splitlines()[1:]]
    return [int(p) for p, stat, args in lines if words in args and str(project.data_dir) in args and "Z" not in stat]
