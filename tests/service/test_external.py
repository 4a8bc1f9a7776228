"""The external CRM's contract, row by row, against an emulated CRM."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from pipelines.connections.project import Project
from pipelines.sandbox.handle import SandboxHandle, start

ROUTES = ("unified", "external", "webhooks")
STORES = ("sqlite",)
BASE = "/api/external"
KEY = {"X-API-Key": "key-two"}
SET = {
    "EXTERNAL_CRM_ENABLED": "true",
    "CRM_API_KEY": "key-one, key-two",
    "EXTERNAL_CRM_WEBHOOK_SECRET": "your_webhook_secret",
    "JWT_SECRET": "a secret of the tests, thirty-two bytes or more",
}
# the contract's own example
PAYLOAD = {
    "secret": "your_webhook_secret", "phone": "628123456789@c.us", "name": "John Doe", "company": "Acme Corp",
    "event_name": "Tech Conference 2025", "ticket_price": 150000, "capacity": 500, "status": "deal",
    "meeting_date": "2025-02-15T10:00:00Z", "event_date": "2025-06-20T09:00:00Z",
}  # fmt: skip


@pytest.fixture
def client(serve: Any) -> Iterator[TestClient]:
    with serve(**SET) as started:
        yield started


@pytest.fixture(scope="module")
def crm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    with start(tmp_path_factory.mktemp("crm"), ["external"], size=12) as handle:
        yield handle


def send(client: TestClient, **changes: Any) -> Any:
    return client.post(f"{BASE}/webhook", json={**PAYLOAD, **changes}, headers=KEY)


def test_the_key_opens_and_nothing_else(client: TestClient) -> None:
    """external-crm.md: X-API-Key equals CRM_API_KEY, a list while keys are rotated."""
    for key in ("key-one", "key-two"):
        assert client.get(f"{BASE}/status", headers={"X-API-Key": key}).status_code == 200
    for headers in ({}, {"X-API-Key": ""}, {"X-API-Key": "key-one, key-two"}, {"X-API-Key": "key"}):
        for method, path in (("GET", "status"), ("POST", "webhook"), ("GET", "fetch"), ("POST", "push/1")):
            refused = client.request(method, f"{BASE}/{path}", headers=headers)
            assert refused.status_code == 401
            assert refused.json()["success"] is False
            assert isinstance(refused.json()["error"], str)


def test_without_keys_it_is_closed_and_without_authentication_open(serve: Any) -> None:
    with serve(EXTERNAL_CRM_ENABLED="true") as client:
        assert client.get(f"{BASE}/status", headers={"X-API-Key": ""}).status_code == 503
    with serve(API_AUTH_ENABLED="false") as client:
        assert client.get(f"{BASE}/status").status_code == 200


def test_disabled_it_only_tells_its_status(serve: Any) -> None:
    """external-crm.md: EXTERNAL_CRM_ENABLED false: 503 on all but status."""
    with serve(CRM_API_KEY="key-two") as client:
        status = client.get(f"{BASE}/status", headers=KEY)
        assert status.json() == {"enabled": False, "mode": "webhook", "polling": "inactive", "configured": False}
        for method, path in (("POST", "webhook"), ("GET", "fetch"), ("POST", "push/1"), ("POST", "polling/start")):
            assert client.request(method, f"{BASE}/{path}", json=PAYLOAD, headers=KEY).status_code == 503


def test_so_many_calls_a_minute_and_addresses(serve: Any) -> None:
    """external-crm.md: RATE_LIMIT_PER_MINUTE from one address, then 429 with Retry-After; ALLOWED_IPS."""
    with serve(**SET, RATE_LIMIT_PER_MINUTE="3") as client:
        answers = [client.get(f"{BASE}/status", headers=KEY) for _ in range(4)]
        assert [a.status_code for a in answers] == [200, 200, 200, 429]
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    with serve(**SET, RATE_LIMIT_PER_MINUTE="3", RATE_LIMIT_ENABLED="false") as client:
        assert {client.get(f"{BASE}/status", headers=KEY).status_code for _ in range(6)} == {200}
    with serve(**SET, ALLOWED_IPS="10.0.0.0/8, 192.0.2.1") as client:
        assert client.get(f"{BASE}/status", headers=KEY).status_code == 403


def test_what_a_webhook_must_have(client: TestClient) -> None:
    """external-crm.md, `POST /webhook`: wrong secret 401; no phone or whatsapp_id 400."""
    assert send(client, secret="wrong").status_code == 401
    assert send(client, secret=None).status_code == 401
    assert send(client, phone=None).status_code == 400
    assert send(client, phone="  ").status_code == 400
    assert send(client, phone=["628123456789@c.us"]).status_code == 400
    assert client.post(f"{BASE}/webhook", json=[PAYLOAD], headers=KEY).status_code == 400
    assert client.post(f"{BASE}/webhook", content=b"{", headers=KEY).status_code == 400


def test_created_updated_skipped(client: TestClient) -> None:
    """external-crm.md: the same delivered twice has one effect, an older one never undoes a newer one."""
    first = send(client, event_id="e1", occurred_at="2025-02-15T10:00:00Z")
    assert first.json() == {"success": True, "userId": "628123456789@c.us", "action": "created"}
    assert send(client, event_id="e1", occurred_at="2025-02-15T10:00:00Z").json()["action"] == "skipped"
    assert send(client, event_id="e3", occurred_at="2025-02-17T10:00:00Z").json()["action"] == "updated"
    assert send(client, event_id="e2", occurred_at="2025-02-16T10:00:00Z").json()["action"] == "skipped"
    assert send(client, phone=None, whatsapp_id="628999@c.us").json() == {
        "success": True, "userId": "628999@c.us", "action": "created",
    }  # fmt: skip


def test_a_webhook_comes_into_the_assistants_table(client: TestClient, bearer: Any) -> None:
    """external-crm.md, the table: theirs, the assistant's, ours."""
    send(client)
    for _ in range(600):
        found = client.get("/api/crm/integrations/contacts?source=external", headers=bearer("default")).json()
        if found["contacts"]:
            break
        time.sleep(0.2)
    (contact,) = found["contacts"]
    assert (contact["name"], contact["company"], contact["phone"]) == ("John Doe", "Acme Corp", "+628123456789")
    assert contact["metadata"]["id"] == "628123456789@c.us"
    assert "secret" not in contact["metadata"]["record"]
    (deal,) = client.get("/api/crm/integrations/deals?source=external", headers=bearer("default")).json()["deals"]
    assert (deal["name"], deal["amount"], deal["stage"]) == ("Tech Conference 2025", 150000, "deal")
    assert deal["close_date"] == "2025-06-20"
    assert send(client, status="negotiating").json()["action"] == "updated"


@pytest.mark.slow
def test_poll_and_push(serve: Any, crm: SandboxHandle) -> None:
    """external-crm.md: `GET /fetch`, `POST /push/{id}`, polling that survives a restart, `GET /status`."""
    given = {**SET, **crm.environment("external"), "ALLOW_INSECURE_CRM_URLS": "true"}
    with serve(**given) as client:
        fetched = client.get(f"{BASE}/fetch", headers=KEY).json()
        assert fetched["success"] is True
        assert fetched["syncedRecords"] == len(fetched["userIds"]) > 0
        one = fetched["userIds"][0]
        before = [r for r in crm.admin("GET", "external/records?entity=records") if one in str(r)]
        pushed = client.post(f"{BASE}/push/{one}", headers=KEY)
        assert pushed.json() == {
            "success": True, "userId": one, "message": "User pushed to external CRM successfully",
        }  # fmt: skip
        after = [r for r in crm.admin("GET", "external/records?entity=records") if one in str(r)]
        assert len(after) == len(before) > 0
        missing = client.post(f"{BASE}/push/628000000000@c.us", headers=KEY)
        assert missing.status_code == 404
        assert missing.json()["success"] is False
        assert client.post(f"{BASE}/polling/start", headers=KEY).json() == {"success": True, "polling": "active"}
    with serve(**given) as client:
        status = client.get(f"{BASE}/status", headers=KEY).json()
        assert status == {"enabled": True, "mode": "webhook", "polling": "active", "configured": True}
        assert client.post(f"{BASE}/polling/stop", headers=KEY).json() == {"success": True, "polling": "inactive"}
        assert client.get(f"{BASE}/status", headers=KEY).json()["polling"] == "inactive"


@pytest.mark.slow
def test_a_known_crms_address_is_read_by_that_crms_mapping(
    serve: Any, project: Project, project_root: Path, tmp_path: Path
) -> None:
    """external-crm.md, settings: where the URL is HubSpot's, the key is its token and its mapping is used."""
    with start(tmp_path / "hubspot", ["hubspot"], size=12) as known:
        variables = known.environment("hubspot")
        base = variables["HUBSPOT_API_BASE_URL"].rstrip("/")
        project.mappings.unlink()
        shutil.copytree(project_root / "mappings", project.mappings)
        mapping = project.mappings / "external.yml"
        real = mapping.read_text()
        mapping.write_text(real.replace(r"https://api\.hubapi\.com", re.escape(base)))
        assert mapping.read_text() != real
        given = {
            "EXTERNAL_CRM_API_URL": f"{base}/crm/v3/objects/contacts", "ALLOW_INSECURE_CRM_URLS": "true",
            "EXTERNAL_CRM_API_KEY": variables["HUBSPOT_ACCESS_TOKEN"],
        }  # fmt: skip
        with serve(**SET, **given) as client:
            fetched = client.get(f"{BASE}/fetch", headers=KEY).json()
            there = known.admin("GET", "hubspot/records?entity=contacts")
            assert fetched["success"] is True, fetched
            assert sorted(fetched["userIds"]) == sorted(str(one["id"]) for one in there if not one["deleted"])
            assert client.get(f"{BASE}/status", headers=KEY).json()["configured"] is True
