"""`crosswalk serve` as a process: its greeting, the contracts' own examples by curl, and kill -9 in the middle."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import sqlalchemy as sa

from pipelines.connections.owner import SERVICE_OWNER, Owner
from pipelines.connections.project import Project
from pipelines.service.users.sync import BATCH
from pipelines.state.database import State, open_state
from pipelines.state.service_tables import users

STORES = ("sqlite",)
SECRET = "the wrapper's key, which is thirty-two bytes long"
KEY = "the shared key"
Start = Callable[..., Any]


def wrapper_token(organisation: str) -> str:
    return jwt.encode({"orgCode": organisation, "exp": time.time() + 600}, SECRET, "HS256")


def shell(script: str, **variables: str) -> str:
    done = subprocess.run(
        ["bash", "-eu", "-c", script], env={"PATH": os.environ["PATH"], **variables}, text=True, capture_output=True,
        timeout=250, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def count_users(state: State) -> int:
    with state.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(users)).scalar_one())


def until(found: Callable[[], Any], seconds: float = 240) -> Any:
    ends = time.monotonic() + seconds
    while not (value := found()) and time.monotonic() < ends:
        time.sleep(0.01)
    return value


def test_the_wrappers_examples_run_literally(start: Start) -> None:
    served = start(WRAPPER_SECRET_KEY=SECRET, INTERNAL_API_KEY=KEY)
    script = Path(__file__).with_name("wrappers.sh").read_text()
    for expected in ("created", "updated"):
        answers = shell(script, BASE=served.base, TOKEN=wrapper_token("test-org"), KEY=KEY).strip().splitlines()
        assert answers[1::2] == ["200", "200"]
        first, second = (json.loads(answer) for answer in answers[::2])
        assert first["data"]["results"][0] | {"crmUserId": 0} == {
            "userId": "test-123", "email": "test@example.com", "status": expected, "crmUserId": 0,
        }  # fmt: skip
        assert (second["results"][0]["userId"], second["results"][0]["status"]) == ("test-user", expected)
        assert second["tenant"] == {"id": "test-tenant", "name": "Test Company"}


def test_it_ends_when_told_and_is_alone_on_its_data(start: Start, project: Project) -> None:
    log = project.root / "logs" / "service.log"
    served = start(INTERNAL_API_KEY=KEY, LOG_FILE=str(log))
    assert "INTERNAL_API_KEY is shorter than 32 bytes" in log.read_text()
    assert KEY not in log.read_text()
    command = [sys.executable, "-m", "pipelines", "serve", "--port", "0", "--data-dir", str(project.data_dir)]
    variables = {"PATH": os.environ["PATH"], "INTERNAL_API_KEY": KEY}
    again = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=250, check=False)
    assert (again.returncode, "crosswalk serve (process" in again.stderr) == (4, True)
    assert served.end() == 0


def test_the_sandboxs_token_opens_the_sandbox_alone(start: Start) -> None:
    operators = {"JWT_SECRET": SECRET, "JWT_AUDIENCE": "us", "DEFAULT_OWNER": "boss"}
    served = start("--sandbox", **operators)
    given = re.search(r"^TOKEN=(\S+)$", served.said, re.MULTILINE)
    assert given is not None
    claims = jwt.decode(given[1], options={"verify_signature": False})
    assert claims["sub"] == "sandbox"
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(given[1], SECRET, ["HS256"])
    theirs = jwt.encode({"sub": "boss", "aud": "us"}, SECRET, "HS256")
    statuses = [
        httpx.get(f"{served.base}/api/jobs", headers={"Authorization": f"Bearer {one}"}).status_code
        for one in (given[1], theirs)
    ]
    assert statuses == [200, 401]


@pytest.mark.parametrize(
    ("variables", "words", "says"),
    [
        ({"RATE_LIMIT_PER_MINUTE": "many"}, [], "RATE_LIMIT_PER_MINUTE"),
        ({"CRM_API_KEY": "k", "API_AUTH_ENABLED": "false"}, ["--host", "0.0.0.0"], "API_AUTH_ENABLED=false is refused"),
        ({"INTERNAL_API_KEY": KEY, "DEFAULT_OWNER": "../x"}, [], "owner '../x'"),
    ],
)
def test_settings_that_cannot_be(project: Project, variables: dict[str, str], words: list[str], says: str) -> None:
    command = [sys.executable, "-m", "pipelines", "serve", "--port", "0", "--data-dir", str(project.data_dir), *words]
    environment = {"PATH": os.environ["PATH"], "INTERNAL_API_KEY": KEY, **variables}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=250, check=False)
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr


def test_kill_in_the_middle_of_a_sync_leaves_whole_batches(start: Start, project: Project) -> None:
    headers = {"Authorization": f"Bearer {wrapper_token('acme')}"}

    def call(base: str, members: list[Any]) -> Any:
        return httpx.post(f"{base}/api/admin/users/sync", json={"users": members}, headers=headers, timeout=250)

    def lost(base: str, members: list[Any]) -> None:
        with contextlib.suppress(httpx.HTTPError):
            call(base, members)

    with open_state(Owner(SERVICE_OWNER, project.data_dir)) as state:
        for sent in (5000, 10_000, 20_000, 40_000):  # until a kill strikes before the sync has come to its end
            served, before = start(WRAPPER_SECRET_KEY=SECRET), count_users(state)
            members = [{"externalId": f"x-{sent}-{n}", "email": f"u{sent}-{n}@example.com"} for n in range(sent)]
            caller = threading.Thread(target=lost, args=(served.base, members))
            caller.start()
            until(lambda before=before: count_users(state) >= before + 5 * BATCH)
            assert served.end(signal.SIGKILL) == -signal.SIGKILL
            caller.join()
            kept = count_users(state) - before
            assert (kept % BATCH, kept > 0) == (0, True)
            if kept < sent:
                break
        assert kept < sent
        summary = call(start(WRAPPER_SECRET_KEY=SECRET).base, members).json()["data"]["summary"]
        assert (summary["created"], summary["updated"], summary["failed"]) == (sent - kept, kept, 0)
        assert count_users(state) == before + sent


@pytest.mark.slow
def test_kill_in_the_middle_of_a_sync_that_nobody_waits_for(start: Start, project: Project) -> None:
    headers = {"X-Internal-API-Key": KEY}
    with open_state(Owner(SERVICE_OWNER, project.data_dir)) as state:
        for sent in (5000, 10_000, 20_000, 40_000):  # until a kill strikes before the sync has come to its end
            served, before = start(INTERNAL_API_KEY=KEY), count_users(state)
            members = [
                {"id": f"x-{sent}-{n}", "email": f"u{sent}-{n}@example.com", "name": "User"} for n in range(sent)
            ]
            body = {"operation": "user_sync", "tenant": {"id": "acme", "name": "Acme"}, "users": members}
            asked = httpx.post(
                f"{served.base}/api/internal/sync/users", json=body, headers={**headers, "Prefer": "respond-async"},
                timeout=250,
            )  # fmt: skip
            assert asked.status_code == 202
            until(lambda before=before: count_users(state) >= before + 3 * BATCH)
            assert served.end(signal.SIGKILL) == -signal.SIGKILL
            kept = count_users(state) - before
            assert kept > 0
            if kept < sent:
                break
        assert kept < sent
        again = start(INTERNAL_API_KEY=KEY)

        def outcome() -> Any:
            found = httpx.get(f"{again.base}{asked.headers['Location']}", headers=headers, timeout=250).json()
            return found if found["status"] in ("done", "failed") else None

        done = until(outcome)
        assert (done["status"], done["result"]["metadata"]["successful"]) == ("done", sent)
        assert count_users(state) == before + sent


@pytest.mark.slow  # a whole sync of a CRM
def test_without_settings_it_greets_from_the_sandbox_with_calls_that_work(start: Start) -> None:
    served = start()
    lines = re.findall(r"^(?:TOKEN=|curl ).*$", served.said, re.MULTILINE)
    assert [line.split()[0].partition("=")[0] for line in lines] == ["TOKEN", "curl", "curl", "curl"]
    answers = shell("\n".join(f"{line}\necho" for line in lines).replace("curl ", "curl -sS ")).strip().splitlines()
    synced, contacts, found = (json.loads(answer) for answer in answers if answer)
    assert synced["success"] is True
    assert (contacts["success"], contacts["count"] > 0, len(contacts["contacts"])) == (True, True, 2)
    assert (found["success"], found["total"] > 0) == (True, True)
