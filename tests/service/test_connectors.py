"""The connectors' contract, row by row, against an emulated CRM."""

from __future__ import annotations

import base64
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from pipelines.sandbox.handle import SandboxHandle, start

ROUTES = ("unified", "local", "connectors", "webhooks", "jobs")
BASE = "/api/integrations/crm"
UNIFIED = "/api/crm/integrations"
KEY = base64.b64encode(bytes((i * 73 + 41) * (i + 3) % 256 for i in range(32))).decode()
JWT_SECRET = "a secret of the tests, thirty-two bytes or more"
Bearer = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def crm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    """An emulated CRM that other people's users connect to."""
    with start(tmp_path_factory.mktemp("crm"), ["mri_vault"], size=12) as handle:
        yield handle


@pytest.fixture
def client(serve: Any) -> Iterator[TestClient]:
    """A service whose operator allows users to name this machine."""
    with serve(JWT_SECRET=JWT_SECRET, ENCRYPTION_KEY=KEY, ALLOW_PRIVATE_CRM_ADDRESSES="true") as started:
        yield started


def credentials(crm: SandboxHandle) -> dict[str, str]:
    variables = crm.environment("mri_vault")
    return {"apiKey": variables["MRI_VAULT_API_KEY"], "instanceUrl": variables["MRI_VAULT_INSTANCE_URL"]}


def connect(client: TestClient, headers: dict[str, str], crm: SandboxHandle, **config: Any) -> Any:
    body: dict[str, Any] = {"credentials": credentials(crm)}
    if config:
        body["syncConfig"] = config
    return client.post(f"{BASE}/mri_vault/connect", json=body, headers=headers)


def contacts_of(crm: SandboxHandle) -> list[dict[str, Any]]:
    """What the CRM holds."""
    return [one["body"] for one in crm.admin("GET", "mri_vault/records?entity=contacts") if not one["deleted"]]


def test_what_can_be_connected(client: TestClient, bearer: Bearer) -> None:
    """connectors.md, `GET `."""
    told = client.get(BASE, headers=bearer()).json()
    assert told["success"] is True
    found = {one["provider"]: one for one in told["providers"]}
    assert {"mri_vault", "salesforce", "topproducer", "kvcore", "follow_up_boss"} <= set(found)
    assert found["mri_vault"]["credentials"] == ["apiKey", "instanceUrl"] or set(found["mri_vault"]["credentials"]) == {
        "apiKey", "instanceUrl",
    }  # fmt: skip
    assert found["mri_vault"]["name"] == "MRI Vault"
    assert found["mri_vault"]["available"] is True
    assert set(found["mri_vault"]["capabilities"]) == {"contacts", "properties", "deals"}
    assert "local" not in found


def test_nothing_without_a_token(client: TestClient) -> None:
    """connectors.md, errors: AUTH_REQUIRED."""
    for method, path in (("GET", BASE), ("GET", f"{BASE}/user"), ("POST", f"{BASE}/no_such/connect")):
        answer = client.request(method, path)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "AUTH_REQUIRED"


def test_an_unknown_provider_names_the_known_ones(client: TestClient, bearer: Bearer) -> None:
    """connectors.md, errors: VALIDATION_FAILED (400, also an unknown provider, with the known ones)."""
    body = {"credentials": {"apiKey": "k"}}
    for method, path in (("POST", "connect"), ("POST", "sync"), ("PATCH", ""), ("DELETE", "")):
        answer = client.request(method, f"{BASE}/pipedrive/{path}".rstrip("/"), json=body, headers=bearer())
        assert answer.status_code == 400, path
        error = answer.json()["error"]
        assert error["code"] == "VALIDATION_FAILED"
        if method != "PATCH":  # its body is refused first
            assert "mri_vault" in error["message"]


def test_a_failed_login_stores_nothing(client: TestClient, bearer: Bearer, crm: SandboxHandle) -> None:
    """connectors.md, connect: logs in first, stores only what worked."""
    body = {"credentials": {**credentials(crm), "apiKey": "no-such-key-anywhere"}}
    answer = client.post(f"{BASE}/mri_vault/connect", json=body, headers=bearer())
    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "INTEGRATION_FAILED"
    assert "authentication failed" in answer.json()["error"]["message"]
    assert "no-such-key-anywhere" not in answer.text
    assert client.get(f"{BASE}/user", headers=bearer()).json() == {"success": True, "integrations": []}


@pytest.mark.parametrize(
    "given",
    [{}, {"apiKey": "k"}, {"instanceUrl": "https://x.example"}, {"apiKey": "", "instanceUrl": "https://x.example"},
     {"apiKey": "k\r\nX-Evil: 1", "instanceUrl": "https://x.example"}, {"apikey2": "k", "instanceUrl": "https://x.example"},
     {"apiKey": "k", "instanceUrl": "ftp://x.example"}, {"apiKey": "k", "instanceUrl": "https://u:p@x.example"},
     {"apiKey": "k", "instanceUrl": "http://x.example"}, {"apiKey": 5, "instanceUrl": "https://x.example"}],
)  # fmt: skip
def test_credentials_that_cannot_be_used(client: TestClient, bearer: Bearer, given: Any) -> None:
    answer = client.post(f"{BASE}/mri_vault/connect", json={"credentials": given}, headers=bearer())
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "VALIDATION_FAILED"


PRIVATE = ["https://127.0.0.1:9", "https://localhost", "https://10.0.0.1", "https://169.254.169.254", "https://[::1]",
           "https://[::ffff:10.0.0.1]", "http://127.0.0.1:1", "https://0.0.0.0"]  # fmt: skip


@pytest.mark.parametrize("url", PRIVATE)
def test_a_user_may_not_name_a_private_address(serve: Any, bearer: Bearer, url: str) -> None:
    with serve(JWT_SECRET=JWT_SECRET, ENCRYPTION_KEY=KEY) as client:
        body = {"credentials": {"apiKey": "k", "instanceUrl": url}}
        answer = client.post(f"{BASE}/mri_vault/connect", json=body, headers=bearer())
    assert answer.status_code == 400
    assert "private network" in answer.json()["error"]["message"]


@pytest.mark.parametrize("key", ["", "weak", "a" * 44])
def test_without_a_good_key_connecting_is_refused_and_nothing_else(
    serve: Any, bearer: Bearer, crm: SandboxHandle, key: str
) -> None:
    with serve(JWT_SECRET=JWT_SECRET, ENCRYPTION_KEY=key, ALLOW_PRIVATE_CRM_ADDRESSES="true") as client:
        answer = connect(client, bearer(), crm)
        assert answer.status_code == 503
        assert "ENCRYPTION_KEY" in answer.json()["error"]["message"]
        assert client.get(BASE, headers=bearer()).json()["providers"][0]["available"] is False
        assert client.get(f"{BASE}/user", headers=bearer()).status_code == 200
        assert client.get(f"{UNIFIED}/contacts", headers=bearer()).json()["contacts"] == []


@pytest.mark.slow
def test_connect_push_and_disconnect(client: TestClient, bearer: Bearer, crm: SandboxHandle, tmp_path: Path) -> None:
    """connectors.md, the whole way: connect, sync (push), nothing twice, remove."""
    mine = bearer("ann")
    assert connect(client, mine, crm).json() == {"success": True, "provider": "mri_vault", "status": "connected"}
    listed = client.get(f"{BASE}/user", headers=mine)
    (one,) = listed.json()["integrations"]
    assert one["syncConfig"] == {
        "syncContacts": True, "syncProperties": True, "syncDeals": True, "syncDirection": "push",
    }  # fmt: skip
    assert (one["status"], one["lastSync"]) == ("connected", None)
    secret = credentials(crm)["apiKey"]
    assert secret not in listed.text
    # by another process: to open and close a file here would let go of SQLite's locks on it
    command = ["grep", "-rlF", secret, str(tmp_path / "data")]
    looked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (looked.returncode, looked.stdout) == (1, "")
    name = f"Newcomer{time.time_ns()}"  # the CRM keeps those of the runs before
    person = {"first_name": "Ida", "last_name": name, "email": f"ida.{name}@example.com", "role": "buyer"}
    assert client.post(f"{UNIFIED}/local/contacts", json=person, headers=mine).status_code == 201
    held = contacts_of(crm)
    before = len(held)
    # somebody whom the CRM has under the same address is found there, not made a second time
    twin = {"first_name": "Twin", "email": next(r["email"] for r in held if r.get("email"))}
    assert client.post(f"{UNIFIED}/local/contacts", json=twin, headers=mine).status_code == 201
    done = client.post(f"{BASE}/mri_vault/sync", headers=mine)
    assert done.status_code == 200, done.text
    assert done.json()["contactsSynced"] in (1, 2)  # the twin's values may be written to it
    pushed = [r for r in contacts_of(crm) if name.lower() in str(r).lower()]
    assert len(pushed) == 1
    assert "buyer" in str(pushed[0])
    again = client.post(f"{BASE}/mri_vault/sync", headers=mine).json()
    assert again["contactsSynced"] == 0
    assert len(contacts_of(crm)) == before + 1
    (one,) = client.get(f"{BASE}/user", headers=mine).json()["integrations"]
    assert one["lastSync"] is not None
    assert client.delete(f"{BASE}/mri_vault", headers=mine).json() == {"success": True}
    assert client.get(f"{BASE}/user", headers=mine).json()["integrations"] == []
    assert client.post(f"{BASE}/mri_vault/sync", headers=mine).status_code == 400
    for _ in range(300):  # what was entered is unified by a process of its own, which would outlive the test
        if not {"queued", "running"} & {job["status"] for job in client.get("/api/jobs", headers=mine).json()["jobs"]}:
            break
        time.sleep(0.2)
