"""One address for the webhooks of many: each event goes to who has connected the account it is about."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from pipelines.sandbox.crms.hubspot.portal import PORTAL
from pipelines.sandbox.handle import SandboxHandle, start
from pipelines.service.webhooks.accounts import NOBODYS
from pipelines.state import accounts
from pipelines.state.service_tables import webhook_inbox

ROUTES = ("connectors", "webhooks")
STORES = ("sqlite",)
SECRET = "the-apps-secret"
KEY = base64.b64encode(bytes((i * 73 + 41) * (i + 3) % 256 for i in range(32))).decode()
Call = Callable[..., Any]


@pytest.fixture(scope="module")
def crm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    """An emulated CRM whose apps have one address for all accounts."""
    with start(tmp_path_factory.mktemp("crm"), ["hubspot"], size=5) as handle:
        yield handle


@pytest.fixture
def client(serve: Any, crm: SandboxHandle, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A service whose operator has an app, and no account of their own."""
    monkeypatch.setattr("pipelines.service.webhooks.draining.Drainer.start", lambda _: None)
    monkeypatch.setattr("pipelines.service.webhooks.draining.Drainer.stop", lambda _: None)
    address = crm.environment("hubspot")["HUBSPOT_API_BASE_URL"]
    with serve(
        JWT_SECRET="a secret of the tests, thirty-two bytes or more", ENCRYPTION_KEY=KEY, HUBSPOT_CLIENT_SECRET=SECRET,
        HUBSPOT_API_BASE_URL=address, ALLOW_PRIVATE_CRM_ADDRESSES="true",
    ) as started:  # fmt: skip
        yield started


@pytest.fixture
def connect(client: TestClient, crm: SandboxHandle, bearer: Call) -> Call:
    """`connect("ann")`: she connects the account that the emulated CRM is."""

    def connected(user: str, **more: str) -> None:
        credentials = {"accessToken": crm.environment("hubspot")["HUBSPOT_ACCESS_TOKEN"], **more}
        body = {"credentials": credentials}
        answer = client.post("/api/integrations/crm/hubspot/connect", json=body, headers=bearer(user))
        assert answer.status_code == 200, answer.text

    return connected


def deliver(client: TestClient, *events: dict[str, Any], secret: str = SECRET) -> int:
    """As the CRM signs it, to the one address."""
    body, moment = json.dumps(events), str(int(time.time() * 1000))
    said = f"POSThttp://testserver/api/webhooks/hubspot{body}{moment}".encode()
    signature = base64.b64encode(hmac.new(secret.encode(), said, hashlib.sha256).digest()).decode()
    headers = {"X-HubSpot-Signature-v3": signature, "X-HubSpot-Request-Timestamp": moment}
    return int(client.post("/api/webhooks/hubspot", content=body, headers=headers).status_code)


def event(number: int, portal: Any) -> dict[str, Any]:
    return {
        "eventId": number, "subscriptionId": 1, "portalId": portal, "occurredAt": 1785571200000, "objectId": 501,
        "subscriptionType": "contact.propertyChange",
    }  # fmt: skip


def inbox(context: Any) -> list[tuple[str, int, str]]:
    """Owner, event and status of all that was stored."""
    c = webhook_inbox.c
    with context.store.read() as connection:
        rows = connection.execute(sa.select(c.owner, c.body, c.status, c.reason).order_by(c.inbox_id)).all()
    assert all((reason == NOBODYS) == (status == "set_aside") for _, _, status, reason in rows)
    return [(str(owner), int(json.loads(body)["eventId"]), str(status)) for owner, body, status, _ in rows]


def test_each_event_goes_to_whose_account_it_is_about(client: TestClient, connect: Call, context_of: Call) -> None:
    connect("ann")
    assert deliver(client, event(1, PORTAL), event(2, 999), event(3, None)) == 200
    assert inbox(context_of(client)) == [("ann", 1, "queued"), ("default", 2, "set_aside"), ("default", 3, "set_aside")]


def test_two_who_share_an_account_are_both_told_and_who_left_is_not(
    client: TestClient, connect: Call, bearer: Call, context_of: Call
) -> None:
    connect("ann")
    connect("bob")
    assert deliver(client, event(1, PORTAL)) == 200
    assert client.delete("/api/integrations/crm/hubspot", headers=bearer("ann")).status_code == 200
    assert deliver(client, event(2, PORTAL)) == 200
    assert inbox(context_of(client)) == [("ann", 1, "queued"), ("bob", 1, "queued"), ("bob", 2, "queued")]


def test_a_machine_of_the_users_own_does_not_say_which_account_it_is(
    client: TestClient, connect: Call, crm: SandboxHandle, context_of: Call
) -> None:
    """It could claim anybody's (law L13)."""
    address = crm.environment("hubspot")["HUBSPOT_API_BASE_URL"]
    connect("eve", apiBaseUrl=address.replace("127.0.0.1", "localhost"))
    assert accounts.owners_of(context_of(client).store, "hubspot", str(PORTAL)) == []


def test_who_does_not_know_the_apps_secret_is_refused(client: TestClient, connect: Call, context_of: Call) -> None:
    connect("ann")
    assert deliver(client, event(1, PORTAL), secret="another") == 401
    assert inbox(context_of(client)) == []
