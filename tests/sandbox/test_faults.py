"""Each fault does what it says, where and as often as it is told."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import orjson
import pytest
import requests

from pipelines.sandbox import SandboxHandle
from pipelines.sandbox.faults import Fault
from pipelines.sandbox.inside import RequestsAdapter
from pipelines.sandbox.limits import Limit, Limiter
from pipelines.sandbox.server import Sandbox


def test_a_fault_strikes_where_and_as_often_as_told() -> None:
    fault = Fault("error", method="GET", path="/v1/contacts*", after=1, count=2)
    calls = [("GET", "/v1/deals"), ("POST", "/v1/contacts"), *[("GET", "/v1/contacts/7")] * 5]
    assert [fault.strikes(*call) for call in calls] == [False, False, False, True, True, False, False]


def test_a_seeded_fault_strikes_the_same_calls_again() -> None:
    once, again = (Fault("error", probability=0.3, seed=5) for _ in range(2))
    struck = [once.strikes("GET", "/") for _ in range(200)]
    assert struck == [again.strikes("GET", "/") for _ in range(200)]
    assert 35 < sum(struck) < 85


def test_an_unknown_fault_is_refused(running: SandboxHandle) -> None:
    with pytest.raises(ValueError, match="truncate"):
        Fault("earthquake")
    with pytest.raises(RuntimeError, match="unknown fault 'earthquake'"):
        running.admin("POST", "brivity/faults", {"kind": "earthquake"})


@pytest.mark.parametrize(("kind", "status"), [("error", 503), ("throttle", 429), ("lost_error", 503)])
def test_faults_with_a_status(sandbox: Sandbox, client: httpx.Client, kind: str, status: int) -> None:
    sandbox.crm("brivity").faults.add(kind, count=1, retry_after=3)
    first, second = client.get("contacts"), client.get("contacts")
    assert (first.status_code, second.status_code) == (status, 200)
    assert kind != "throttle" or int(first.headers["Retry-After"]) >= 3


def test_lost_work_is_done_and_an_error_before_it_is_not(sandbox: Sandbox, client: httpx.Client) -> None:
    faults, store = sandbox.crm("brivity").faults, sandbox.crm("brivity").store
    before = store.count("contacts")
    faults.add("error", count=1)
    client.post("contacts", json={"last_name": "Never"})
    assert store.count("contacts") == before
    faults.add("lost", count=1)
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("contacts", json={"last_name": "Done"})
    assert store.count("contacts", "body ->> '$.last_name' = 'Done'") == 1
    faults.add("lost_error", count=1)
    assert client.post("contacts", json={"last_name": "Done"}).status_code == 503
    assert store.count("contacts", "body ->> '$.last_name' = 'Done'") == 2


def test_pages_that_lie(sandbox: Sandbox, client: httpx.Client) -> None:
    honest = client.get("contacts").json()["contacts"]
    faults = sandbox.crm("brivity").faults
    faults.add("truncate", count=1)
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(client.get("contacts").content)
    faults.add("html", count=1)
    page = client.get("contacts")
    assert (page.status_code, page.headers["Content-Type"][:9]) == (200, "text/html")
    faults.add("repeat", count=1)
    assert client.get("contacts").json()["contacts"] == [honest[0], *honest]
    faults.add("answer", count=1, status=200, body='{"contacts": [{"id": 99999999999999999999}], "total": 1}')
    assert client.get("contacts").json()["contacts"] == [{"id": 99999999999999999999}]
    faults.add("empty", count=1)
    assert client.get("contacts").json()["contacts"] == []
    assert client.get("contacts").json()["contacts"] == honest


def test_a_token_ends_in_mid_read(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.crm("brivity").faults.add("expire", path="/v1/contacts", after=1, count=1)
    assert [client.get("contacts").status_code for _ in range(3)] == [200, 401, 401]


def test_users_work_while_we_read(sandbox: Sandbox, client: httpx.Client) -> None:
    crm = sandbox.crm("brivity")
    there = {r.id: r.modified for r in crm.store.select("contacts")}
    crm.faults.add("change", path="/v1/contacts", records=40, count=1, seed=1)
    client.get("contacts")
    changed = [r for r in crm.store.select("contacts") if r.modified != there[r.id]]
    assert changed
    assert all(r.body["updated_at"] > "2026" and r.body["company"] for r in changed)
    crm.faults.add("remove", records=5, count=1)
    crm.faults.add("insert", records=7, count=1)
    held = crm.store.count("contacts") + crm.store.count("deals")
    client.get("contacts")
    assert crm.store.count("contacts") + crm.store.count("deals") == held - 5 + 7


def test_equal_timestamps(sandbox: Sandbox, client: httpx.Client) -> None:
    assert sandbox.crm("brivity").same_time("contacts", 1_700_000_000.0) > 20
    assert {c["updated_at"] for c in client.get("contacts").json()["contacts"]} == {"2023-11-14T22:13:20.000Z"}


@pytest.mark.parametrize("kind", ["drop", "cut", "lost"])
def test_connections_really_close(running: SandboxHandle, kind: str) -> None:
    environment = running.environment("brivity_core")
    url = f"{environment['BRIVITY_CORE_API_BASE_URL']}/api/people"
    headers = {"Authorization": f"Token token={environment['BRIVITY_CORE_API_KEY']}"}
    running.admin("POST", "brivity_core/faults", {"kind": kind, "count": 1})
    with httpx.Client(headers=headers) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(url)
        assert client.get(url).status_code == 200


def test_inside_a_requests_session_sees_what_it_would_on_a_socket(sandbox: Sandbox) -> None:
    session = requests.Session()
    session.mount("http://sandbox/", RequestsAdapter(sandbox))
    refused = session.get("http://sandbox/brivity/v1/contacts", params={"limit": 3})
    assert (refused.status_code, refused.json()["error"]) == (401, "Unauthorized")
    sandbox.crm("brivity").faults.add("drop")
    with pytest.raises(requests.ConnectionError):
        session.get("http://sandbox/brivity/v1/contacts")


def test_latency(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.crm("brivity").faults.add("latency", seconds=0.05, count=1)
    began = time.monotonic()
    client.get("contacts")
    assert time.monotonic() - began > 0.04


def test_calls_wait_side_by_side(running: SandboxHandle) -> None:
    """With latency on every call, parallel calls take the time of one."""
    running.admin("PATCH", "brivity_core/settings", {"latency_ms": 500})
    url = f"{running.url('brivity_core')}/api/people"
    with httpx.Client() as client, ThreadPoolExecutor(20) as threads:
        began = time.monotonic()
        answers = list(threads.map(client.get, [url] * 20))
        took = time.monotonic() - began
    running.admin("PATCH", "brivity_core/settings", {"latency_ms": 0})
    assert {answer.status_code for answer in answers} == {401}
    assert 0.4 < took < 8, "one after the other it would be 10 seconds"


def test_a_limit_lets_through_what_it_says_and_no_more() -> None:
    limiter = Limiter([Limit(3, 1.0), Limit(1, 10.0, paths="/search*", each_method="POST")])
    assert [limiter.exceeded("me", "GET", "/", now=n / 10) is None for n in range(5)] == [True] * 3 + [False] * 2
    assert limiter.exceeded("you", "GET", "/", now=0.5) is None
    assert limiter.exceeded("me", "GET", "/", now=1.05) is None
    assert limiter.exceeded("me", "POST", "/search/x", now=3) is None
    over = limiter.exceeded("me", "POST", "/search/y", now=5)
    assert over is not None
    assert over.wait == pytest.approx(8)
    assert limiter.exceeded("me", "GET", "/search", now=5) is None


@pytest.mark.usefixtures("windows_stand_still")
def test_limits_hold_when_asked(sandbox: Sandbox, client: httpx.Client) -> None:
    assert {client.get("contacts").status_code for _ in range(30)} == {200}
    sandbox.crm("brivity").is_limited = True
    answers = [client.get("contacts") for _ in range(12)]
    assert [a.status_code for a in answers] == [200] * 10 + [429] * 2
    assert int(answers[-1].headers["Retry-After"]) >= 1
