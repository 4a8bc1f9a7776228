"""Jobs: a sync in a process of its own, watched, cancelled, tried again; never two of one owner at once."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from pipelines.service import jobs
from pipelines.service.context import Context
from pipelines.service.jobs import store
from pipelines.service.jobs.kinds import FUNCTIONS
from pipelines.service.jobs.outcome import Outcome, outcome_of
from pipelines.service.jobs.store import Job
from pipelines.state.database import now_us

ContextOf = Callable[[TestClient], Context]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A small program in place of a run: reports what it was told to, once the file it was told of is there."""
    script = tmp_path / "program.py"
    script.write_text(
        "import json, os, sys, time\n"
        "said = json.loads(sys.argv[1])\n"
        "open(os.environ['CROSSWALK_PROGRESS_FILE'], 'w').write(json.dumps({'stage': 'extract', 'counts': {}}))\n"
        "until = time.monotonic() + 250\n"
        "while 'file' in said and not os.path.exists(said['file']) and time.monotonic() < until: time.sleep(0.02)\n"
        "print(said['print']) if 'print' in said else print(json.dumps(said.get('report', {'exit_code': 0})))\n"
        "sys.exit(said.get('exit', 0))\n"
    )

    def command(_context: Context, job: Job) -> list[str]:
        import json

        return [sys.executable, str(script), json.dumps(job.params)]

    monkeypatch.setattr("pipelines.service.jobs.runner.command_of", command)
    monkeypatch.setattr("pipelines.service.jobs.runner.LOOK_SECONDS", 0.05)
    return script


@pytest.fixture
def context(client: TestClient, context_of: ContextOf) -> Iterator[Context]:
    found = context_of(client)
    yield found
    for job in store.listed(found.store, status=[store.QUEUED, store.RUNNING]):
        jobs.cancel(found, job.job_id, job.owner)


def ended(context: Context, job_id: str, seconds: float = 120) -> Job:
    job = jobs.wait(context, job_id, seconds)
    assert job is not None, "the job did not end"
    return job


def running(context: Context, job_id: str, owner: str) -> None:
    """Waits until a job's program runs."""
    until = time.monotonic() + 120
    while (job := jobs.get(context, job_id, owner)) is None or job.status == "queued":
        assert time.monotonic() < until, job
        time.sleep(0.01)


@pytest.mark.usefixtures("program")
def test_a_job_runs_and_keeps_its_report(context: Context) -> None:
    job = ended(context, jobs.submit(context, "ann", jobs.SYNC, ["north"], {"report": {"exit_code": 0, "rows": []}}))
    assert (job.status, job.error, job.attempts) == ("done", None, 1)
    assert job.result == {"exit_code": 0, "rows": []}
    assert job.started_at is not None
    assert job.finished_at is not None
    assert job.created_at <= job.started_at <= job.finished_at
    until = time.monotonic() + 120
    while list((context.store.owner.root / "jobs").glob(f"{job.job_id}.*")):
        assert time.monotonic() < until, "its files stay"
        time.sleep(0.02)


@pytest.mark.usefixtures("program")
def test_one_owner_has_one_run_at_a_time_and_others_go_beside(context: Context, tmp_path: Path) -> None:
    said = {"file": str(tmp_path / "go on")}
    one = jobs.submit(context, "ann", jobs.SYNC, ["north"], said)
    two = jobs.submit(context, "ann", jobs.SYNC, ["south"], said)
    other = jobs.submit(context, "bob", jobs.SYNC, ["north"], said)
    running(context, one, "ann")
    running(context, other, "bob")
    waits = jobs.get(context, two, "ann")
    assert waits is not None
    assert waits.status == "queued"
    Path(said["file"]).touch()
    first, second, beside = ended(context, one), ended(context, two), ended(context, other)
    assert second.started_at >= first.finished_at  # type: ignore[operator]
    assert beside.started_at < first.finished_at  # type: ignore[operator]


@pytest.mark.usefixtures("program")
def test_what_waits_is_not_asked_for_twice(context: Context, tmp_path: Path) -> None:
    said = {"file": str(tmp_path / "go on")}
    first = jobs.submit(context, "ann", jobs.SYNC, ["north"], said)
    running(context, first, "ann")
    waiting = [jobs.submit(context, "ann", jobs.SYNC, ["north"], said) for _ in range(3)]
    assert len(set(waiting)) == 1
    assert waiting[0] != first
    Path(said["file"]).touch()
    assert ended(context, waiting[0]).status == "done"


@pytest.mark.usefixtures("program")
def test_a_running_job_is_watched_and_cancelled(client: TestClient, context: Context, bearer: Any) -> None:
    job_id = jobs.submit(context, "ann", jobs.SYNC, ["north"], {"file": "/nowhere"})
    until = time.monotonic() + 120
    while not (shown := client.get(f"/api/jobs/{job_id}", headers=bearer()).json()["job"])["progress"]:
        assert time.monotonic() < until, shown
        time.sleep(0.05)
    assert (shown["status"], shown["progress"]["stage"]) == ("running", "extract")
    assert client.post(f"/api/jobs/{job_id}/cancel", headers=bearer("bob")).status_code == 404
    assert client.post(f"/api/jobs/{job_id}/cancel", headers=bearer()).status_code == 200
    assert ended(context, job_id).status == "cancelled"
    assert client.post(f"/api/jobs/{job_id}/cancel", headers=bearer()).status_code == 409


@pytest.mark.usefixtures("program")
def test_nobody_sees_the_jobs_of_others(client: TestClient, context: Context, bearer: Any) -> None:
    job_id = jobs.submit(context, "ann", jobs.SYNC, ["north"])
    ended(context, job_id)
    assert [j["job_id"] for j in client.get("/api/jobs", headers=bearer()).json()["jobs"]] == [job_id]
    assert client.get("/api/jobs", headers=bearer("bob")).json()["jobs"] == []
    assert client.get(f"/api/jobs/{job_id}", headers=bearer("bob")).status_code == 404
    assert client.get("/api/jobs").status_code == 401


@pytest.mark.usefixtures("program")
def test_what_a_schedule_asked_for_is_tried_again_in_a_minute(context: Context) -> None:
    before = now_us()
    said = {"scheduled": True, "report": {"exit_code": 3, "messages": ["[X] Failed to fetch contacts"]}, "exit": 3}
    job_id = jobs.submit(context, "ann", jobs.SYNC, ["north"], said)
    until = time.monotonic() + 120
    while (job := jobs.get(context, job_id, "ann")) is None or job.attempts == 0 or job.status == "running":
        assert time.monotonic() < until
        time.sleep(0.02)
    assert (job.status, job.attempts, job.error) == ("queued", 1, "[X] Failed to fetch contacts")
    assert job.next_at is not None
    assert before + 60e6 <= job.next_at <= now_us() + 60e6


def job_of(params: dict[str, Any], attempts: int, error: str | None = None) -> Job:
    return Job("1", "ann", "sync", ("x",), "running", params, None, None, error, 1, 1, None, None, attempts, None)


@pytest.mark.parametrize(
    ("code", "messages", "attempts", "expected"),
    [
        (3, ["[X] Failed to fetch contacts"], 1, 60),
        (3, ["[X] Failed to fetch contacts"], 2, 600),
        (3, ["[X] Failed to fetch contacts"], 3, 3600),
        (3, ["[X] Failed to fetch contacts"], 4, None),
        (4, ["extract-x of owner ann is locked"], 1, 60),
        (3, ["[X] X authentication failed: bad key"], 1, None),
        (3, ["[X] X authentication failed", "[Y] Failed to fetch deals"], 1, 60),
        (2, ["x: no mapping"], 1, None),
        (5, ["a guard"], 1, None),
        (1, ["checks failed"], 1, None),
        (70, [], 1, 60),
    ],
)
def test_what_may_pass_is_tried_again(code: int, messages: list[str], attempts: int, expected: int | None) -> None:
    report = {"exit_code": code, "messages": messages}
    found = outcome_of(job_of({"scheduled": True}, attempts), report, code, "")
    assert (found.status, found.retry_in) == ("failed", expected)
    assert outcome_of(job_of({}, attempts), report, code, "").retry_in is None


def test_a_process_that_died_is_told_as_it_is() -> None:
    asked = outcome_of(job_of({}, 1), None, -9, "half a traceback")
    assert asked == Outcome("interrupted", None, "the process ended before it could report")
    assert outcome_of(job_of({"scheduled": True}, 1), None, None, "").retry_in == 60
    assert outcome_of(job_of({}, 1, store.CANCELLING), None, -2, "").status == "cancelled"
    assert outcome_of(job_of({}, 1), None, 2, "x: no mapping").error == "x: no mapping"


def test_a_function_runs_in_the_service_and_may_fail(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(FUNCTIONS, "test_work", raising=False)
    seen: list[str] = []

    def work(_context: Context, job: Job) -> dict[str, Any]:
        seen.append(job.job_id)
        if job.params.get("fails"):
            raise RuntimeError("no such thing")
        return {"done": job.owner}

    jobs.register("test_work", work)
    good = ended(context, jobs.submit(context, "ann", "test_work", (), {}))
    bad = ended(context, jobs.submit(context, "ann", "test_work", (), {"fails": True}))
    assert (good.status, good.result) == ("done", {"done": "ann"})
    assert (bad.status, bad.error) == ("failed", "no such thing")
    assert seen == [good.job_id, bad.job_id]
