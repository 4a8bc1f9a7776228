"""user-sync.md, second contract: `POST /api/internal/sync/users`."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from pipelines.service.settings import ServiceSettings
from pipelines.service.users.later import objection
from pipelines.state.service_tables import sync_logs, tenants, users

ROUTES = ("internal_users", "user_sync", "webhooks")
PATH = "/api/internal/sync/users"
KEY = "the shared key"
Sync = Callable[..., Any]


def user(number: int | str, **more: Any) -> dict[str, Any]:
    return {"id": f"k-{number}", "email": f"U{number}@Company.com", "name": f"User {number}", **more}


def request_of(*members: Any, **more: Any) -> dict[str, Any]:
    tenant = {"id": "t-1", "name": "Test Company", "subdomain": "company", "kindeOrgId": "kinde-org"}
    return {"operation": "user_sync", "tenant": tenant, "users": list(members), **more}


@pytest.fixture
def client(serve: Any) -> Iterator[TestClient]:
    with serve(INTERNAL_API_KEY=KEY) as started:
        yield started


@pytest.fixture
def call(client: TestClient) -> Sync:
    def post(body: Any, status: int = 200, **headers: str) -> Any:
        headers = {"X-Internal-API-Key": KEY} | {name.replace("_", "-"): value for name, value in headers.items()}
        response = client.post(PATH, json=body, headers=headers)
        assert response.status_code == status, response.text
        return response.json()

    return post


@pytest.fixture
def stored(client: TestClient, context_of: Any) -> Sync:
    def rows(table: sa.Table = users) -> list[dict[str, Any]]:
        with context_of(client).store.read() as connection:
            return [dict(row) for row in connection.execute(sa.select(table).order_by(table.c.id)).mappings()]

    return rows


def test_the_answer_has_the_contracts_shape(call: Sync, stored: Sync) -> None:
    answer = call(request_of(user(1), user(2)), X_Tenant_ID="t-1", X_Sync_Source="wrapper-user-sync-service")
    assert answer == {
        "success": True, "message": "Successfully synced 2 users",
        "results": [
            {"userId": f"k-{n}", "status": "created", "message": "User created successfully",
             "crmUserId": answer["results"][n - 1]["crmUserId"]}
            for n in (1, 2)
        ],
        "tenant": {"id": "t-1", "name": "Test Company"}, "syncedAt": answer["syncedAt"],
        "metadata": {"operation": "user_sync", "syncedAt": answer["syncedAt"], "totalUsers": 2, "successful": 2,
                     "failed": 0},
    }  # fmt: skip
    assert stored(tenants) == [
        {"id": "t-1", "name": "Test Company", "subdomain": "company", "kinde_org_id": "kinde-org"}
    ]
    [row] = stored(sync_logs)
    assert (row["source"], row["tenant_id"], row["status"]) == ("wrapper-user-sync-service", "t-1", "success")


def test_what_is_present_replaces_and_what_is_absent_stays(call: Sync, stored: Sync) -> None:
    full = {
        "kindeUserId": "kinde", "avatar": "https://a.example/a.jpg", "isActive": False, "isAdmin": True,
        "department": "Sales", "title": "Manager", "lastActiveAt": "2025-08-19T10:00:00.000Z", "roles": ["user"],
        "permissions": ["read"], "allowedApplications": ["crm"], "subscriptionTier": "premium", "shoe": 43,
    }  # fmt: skip
    call(request_of(user(1)))
    [row] = stored()
    assert (row["is_active"], row["is_admin"], row["roles"], row["permissions"]) == (True, False, "[]", "[]")
    assert (row["first_name"], row["last_name"], row["synced_from"]) == ("User", "1", "internal")
    call(request_of(user(1, **full)))
    call(request_of(user(1, name="Ada King", department=None, roles=["a", "b"])))
    [row] = stored()
    kept = {key: row[key] for key in ("kinde_user_id", "avatar", "is_active", "is_admin", "title", "permissions")}
    assert kept == {
        "kinde_user_id": "kinde", "avatar": "https://a.example/a.jpg", "is_active": False, "is_admin": True,
        "title": "Manager", "permissions": '["read"]',
    }  # fmt: skip
    assert (row["department"], row["roles"], row["last_active_at"]) == (None, '["a","b"]', 1755597600000000)
    assert (row["first_name"], row["last_name"], row["metadata"]) == ("Ada", "King", '{"shoe":43}')


def test_both_contracts_write_one_store(serve: Any, context_of: Any) -> None:
    import jwt

    secret = "the wrapper's key, which is thirty-two bytes long"
    token = jwt.encode({"orgCode": "t-1", "exp": time.time() + 60}, secret, "HS256")
    with serve(INTERNAL_API_KEY=KEY, WRAPPER_SECRET_KEY=secret) as client:
        body = {"users": [{"externalId": "k-1", "email": "u1@company.com", "firstName": "Mary Ann", "lastName": "Lee"}]}
        client.post("/api/admin/users/sync", json=body, headers={"Authorization": f"Bearer {token}"})
        headers = {"X-Internal-API-Key": KEY}
        client.post(PATH, json=request_of(user(1, name="Mary Ann Lee")), headers=headers)
        with context_of(client).store.read() as connection:
            [row] = connection.execute(sa.select(users)).mappings().all()
        assert (row["first_name"], row["last_name"], row["synced_from"]) == ("Mary Ann", "Lee", "internal")
        assert row["email"] == "U1@Company.com"


def test_no_users_is_no_error(call: Sync) -> None:
    answer = call(request_of())
    assert answer["message"] == "Successfully synced 0 users"
    assert answer["metadata"]["totalUsers"] == 0


def test_a_full_sync_deactivates_nobody(call: Sync, stored: Sync) -> None:
    call(request_of(user(1), user(2)))
    call(request_of(user(1), metadata={"syncType": "full"}))
    assert [row["is_active"] for row in stored()] == [True, True]


def test_a_conflict_fails_alone(call: Sync, stored: Sync) -> None:
    call(request_of(user(1), user(2)))
    answer = call(request_of(user(1, email="u2@company.com"), user(3)))
    assert [result["status"] for result in answer["results"]] == ["failed", "created"]
    assert answer["results"][0]["error"].startswith("Conflict")
    assert (answer["metadata"]["successful"], answer["metadata"]["failed"]) == (1, 1)
    assert stored(sync_logs)[-1]["status"] == "partial"


def test_a_wrong_request_is_refused_whole_with_every_field(call: Sync, stored: Sync) -> None:
    body = {
        "tenant": {"id": ""},
        "users": [{"email": "no address"}, user(1), {"name": "x"}, 5, user(2, isActive="yes")],
    }
    answer = call(body, status=400)
    assert (answer["success"], answer["error"]) == (False, "Invalid request format")
    assert len(answer["timestamp"]) == 24
    assert [wrong["field"] for wrong in answer["details"]] == [
        "operation", "tenant.id", "tenant.name", "users[0].email", "users[0].name", "users[2].email", "users[3]",
        "users[4].isActive",
    ]  # fmt: skip
    assert stored() == []
    assert [row["status"] for row in stored(sync_logs)] == ["refused"]


@pytest.mark.parametrize(
    "body",
    [
        [], None, {}, {"operation": "user_sync"}, request_of(metadata={"syncType": "some"}),
        {"operation": "user_sync", "tenant": {"id": "a", "name": "b"}, "users": {}}, request_of(user("\x00")),
        request_of(user(1, lastActiveAt="yesterday")), request_of(user(1, roles=[1])),
    ],
)  # fmt: skip
def test_more_wrong_requests(call: Sync, body: Any) -> None:
    assert call(body, status=400)["error"] == "Invalid request format"


def test_another_tenant_in_the_header(call: Sync, stored: Sync) -> None:
    assert call(request_of(user(1)), status=400, X_Tenant_ID="t-2")["details"][0]["field"] == "X-Tenant-ID"
    assert stored() == []


def test_refused_keys(client: TestClient, serve: Any, stored: Sync) -> None:
    for headers in ({}, {"X-Internal-API-Key": "wrong"}, {"X-Internal-API-Key": ""}):
        response = client.post(PATH, json=request_of(user(1)), headers=headers)
        assert response.status_code == 401
        assert response.json() | {"timestamp": 0} == {
            "success": False, "error": "Unauthorized - Invalid API key", "timestamp": 0,
        }  # fmt: skip
    assert [(row["status"], row["source"]) for row in stored(sync_logs)] == [("refused", "unknown")] * 3
    with serve() as unset:
        assert unset.post(PATH, json=request_of(), headers={"X-Internal-API-Key": ""}).status_code == 503


def test_the_limit_of_an_address_outlives_a_restart(serve: Any) -> None:
    for expected in (200, 429):
        with serve(INTERNAL_API_KEY=KEY, INTERNAL_RATE_LIMIT="3") as client:
            for _ in range(3):
                response = client.post(PATH, json=request_of(), headers={"X-Internal-API-Key": KEY})
                assert response.status_code == expected
    assert response.json()["error"] == "Too many sync requests, please try again later"
    assert 0 < int(response.headers["Retry-After"]) <= 900


@contextmanager
def listener() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """An address that takes what is posted to it; the first time it says 503."""
    taken: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append((dict(self.headers), body))
            self.send_response(204 if len(taken) > 1 else 503)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/told", taken
    finally:
        server.shutdown()
        server.server_close()


def until(found: Callable[[], Any], seconds: float = 120) -> Any:
    ends = time.monotonic() + seconds
    while not (value := found()) and time.monotonic() < ends:
        time.sleep(0.05)
    return value


def test_respond_async_and_the_signed_callback(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.service.users.later.RETRY_SECONDS", (0, 0))
    headers = {"X-Internal-API-Key": KEY}
    allowed = {"SYNC_CALLBACK_HOSTS": "127.0.0.1", "SYNC_CALLBACK_SECRET": "s3cret"}
    with listener() as (url, taken), serve(INTERNAL_API_KEY=KEY, **allowed) as client:
        body = request_of(user(1), metadata={"callbackUrl": url})
        response = client.post(PATH, json=body, headers=headers | {"Prefer": "respond-async"})
        assert response.status_code == 202
        location = response.headers["Location"]

        def outcome() -> Any:
            found = client.get(location, headers=headers).json()
            return found if found["status"] == "done" else None

        done = until(outcome)
        assert done["result"]["results"][0]["status"] == "created"
        assert until(lambda: len(taken) == 2)
        assert client.get(location).status_code == 401
        assert client.get(f"{location}x", headers=headers).status_code == 404
    for sent, content in taken:
        stamp, signed = (part.partition("=")[2] for part in sent["X-Crosswalk-Signature"].split(","))
        assert hmac.new(b"s3cret", f"{stamp}.".encode() + content, hashlib.sha256).hexdigest() == signed
        assert json.loads(content) == done["result"]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://hooks.example/x", None),
        ("https://HOOKS.example:443/x", None),
        ("http://hooks.example/x", "https"),
        ("https://hooks.example.evil.test/x", "host"),
        ("https://evil.test/?https://hooks.example/", "host"),
        ("https://hooks.example@evil.test/", "host"),
        ("https://user:x@hooks.example/", "host"),
        ("https://[::1/", "no address"),
        ("file:///etc/passwd", "host"),
        ({"a": 1}, "address"),
        (5, "address"),
    ],
)
def test_where_an_outcome_may_go(url: Any, why: str | None) -> None:
    settings = ServiceSettings(sync_callback_hosts=("hooks.example",), sync_callback_secret="s")  # type: ignore[arg-type]
    said = objection(url, settings)
    assert said is None if why is None else why in (said or "")
