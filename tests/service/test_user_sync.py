"""user-sync.md, first contract: `POST /api/admin/users/sync`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from pipelines.service.context import Context
from pipelines.state.service_tables import sync_logs, users

ROUTES = ("user_sync",)
PATH = "/api/admin/users/sync"
SECRET = "the wrapper's key, which is thirty-two bytes long"
Sync = Callable[..., Any]


def wrapper_token(org: str | None = "acme", *, secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    claims = {"exp": time.time() + 600} | ({"orgCode": org} if org is not None else {}) | claims
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, secret, algorithm)


def user(number: int | str, **more: Any) -> dict[str, Any]:
    return {"externalId": f"x-{number}", "email": f"U{number}@Example.com", **more}


@pytest.fixture
def client(serve: Any) -> Iterator[TestClient]:
    with serve(WRAPPER_SECRET_KEY=SECRET) as started:
        yield started


@pytest.fixture
def call(client: TestClient) -> Sync:
    def post(*members: Any, org: str = "acme", status: int = 200, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {wrapper_token(org)}"}
        response = client.post(PATH, json={"users": list(members), **more}, headers=headers)
        assert response.status_code == status, response.text
        return response.json()

    return post


@pytest.fixture
def stored(client: TestClient, context_of: Callable[[TestClient], Context]) -> Callable[..., list[dict[str, Any]]]:
    def rows(table: sa.Table = users) -> list[dict[str, Any]]:
        with context_of(client).store.read() as connection:
            return [dict(row) for row in connection.execute(sa.select(table).order_by(table.c.id)).mappings()]

    return rows


def test_the_answer_has_the_contracts_shape(call: Sync) -> None:
    answer = call(user(1, firstName="John", role="admin"), {"email": "nobody@example.com"})
    data = answer["data"]
    crm_id = data["results"][0]["crmUserId"]
    assert answer["success"] is True
    assert answer["message"] == "Sync completed successfully"
    assert data["mode"] == "upsert"
    assert data["summary"] == {
        "total": 2, "created": 1, "updated": 0, "failed": 1,
        "errors": ["nobody@example.com: Missing required fields: email or externalId"],
    }  # fmt: skip
    assert data["results"] == [
        {"userId": "x-1", "email": "U1@Example.com", "status": "created", "crmUserId": crm_id},
        {"userId": None, "email": "nobody@example.com", "status": "failed",
         "error": "Missing required fields: email or externalId"},
    ]  # fmt: skip
    assert len(data["timestamp"]) == len("2025-08-19T14:08:30.000Z")


def test_defaults_on_create_and_what_an_update_keeps(call: Sync, stored: Sync) -> None:
    call(user(1))
    [row] = stored()
    assert (row["first_name"], row["last_name"], row["role"], row["is_active"]) == ("", "", "user", True)
    assert (row["metadata"], row["synced_from"]) == ("{}", "admin")
    call(user(1, firstName="Ada", lastName="Lovelace", role="admin", isActive=False, metadata={"a": 1, "b": {"c": 2}}))
    call(user(1, firstName="", lastName=None, role="", metadata={"b": 3}, phone="5"))
    [row] = stored()
    assert (row["first_name"], row["last_name"], row["role"], row["is_active"]) == ("Ada", "Lovelace", "admin", False)
    assert row["name"] == "Ada Lovelace"
    assert row["metadata"] == '{"a":1,"b":3,"phone":"5"}'


def test_external_id_first_then_the_address_without_case(call: Sync, stored: Sync) -> None:
    call(user(1), user(2))
    assert call({"externalId": "new", "email": "u1@EXAMPLE.com"})["data"]["results"][0]["status"] == "updated"
    assert {row["external_id"] for row in stored()} == {"new", "x-2"}
    assert call({"externalId": "x-2", "email": "moved@example.com"})["data"]["results"][0]["status"] == "updated"
    assert {row["email"] for row in stored()} == {"u1@EXAMPLE.com", "moved@example.com"}


def test_two_ways_that_lead_to_two_users_fail_and_touch_neither(call: Sync, stored: Sync) -> None:
    call(user(1), user(2))
    before = stored()
    answer = call({"externalId": "x-1", "email": "u2@example.com", "firstName": "No"}, user(3))
    assert [result["status"] for result in answer["data"]["results"]] == ["failed", "created"]
    assert answer["data"]["results"][0]["error"].startswith("Conflict")
    assert [row for row in stored() if row["external_id"] != "x-3"] == before


def test_two_entries_for_one_user_the_later_ones_values_hold(call: Sync, stored: Sync) -> None:
    answer = call(user(1, firstName="One"), user(1, firstName="Two"))
    assert [result["status"] for result in answer["data"]["results"]] == ["created", "updated"]
    assert [row["first_name"] for row in stored()] == ["Two"]


def test_an_address_that_is_handed_on_within_a_batch(call: Sync, stored: Sync) -> None:
    call(user(1), user(2))
    answer = call(
        {"externalId": "x-1", "email": "u1@example.com"},
        {"externalId": "x-2", "email": "other@example.com"},
        {"externalId": "x-1", "email": "u2@example.com"},
    )
    assert answer["data"]["summary"]["failed"] == 0
    assert {row["external_id"]: row["email"] for row in stored()} == {
        "x-1": "u2@example.com", "x-2": "other@example.com",
    }  # fmt: skip


def test_organisations_are_apart(call: Sync, stored: Sync) -> None:
    call(user(1))
    assert call(user(1), org="other")["data"]["summary"]["created"] == 1
    failed = call(user(2, orgCode="other"))["data"]["results"][0]
    assert failed["status"] == "failed"
    assert "orgCode" in failed["error"]
    assert call(user(3, orgCode="acme"))["data"]["summary"]["created"] == 1
    call(user(9), mode="full-reconcile")
    assert {(row["tenant_id"], row["is_active"]) for row in stored() if row["external_id"] == "x-1"} == {
        ("acme", False), ("other", True),
    }  # fmt: skip


def test_full_reconcile_deactivates_who_is_absent_and_leaves_who_failed(call: Sync, stored: Sync) -> None:
    call(*[user(n) for n in range(1, 6)])
    answer = call(
        user(1), {"externalId": "x-2", "email": "u3@example.com"}, {"email": "u4@example.com"}, mode="full-reconcile"
    )
    assert answer["data"]["mode"] == "full-reconcile"
    assert answer["data"]["summary"]["deactivated"] == 1
    assert {row["external_id"]: row["is_active"] for row in stored()} == {
        "x-1": True, "x-2": True, "x-3": True, "x-4": True, "x-5": False,
    }  # fmt: skip
    assert '"deactivated": ["x-5"]' in stored(sync_logs)[-1]["details"]


def test_the_log_names_each_who_became_inactive(call: Sync, stored: Sync) -> None:
    call(user(1), user(2), user(3, isActive=False))
    answer = call(user(1, isActive=False), user(3, isActive=False), mode="full-reconcile")
    assert answer["data"]["summary"]["deactivated"] == 1
    *_, row = stored(sync_logs)
    assert (json.loads(row["details"])["deactivated"], row["deactivated"]) == (["x-1", "x-2"], 2)
    assert {row["synced_from"] for row in stored()} == {"admin"}


def test_more_than_a_batch_keeps_the_requests_order(call: Sync, stored: Sync) -> None:
    answer = call(*[user(n) for n in range(250)])
    assert [result["userId"] for result in answer["data"]["results"]] == [f"x-{n}" for n in range(250)]
    assert len({result["crmUserId"] for result in answer["data"]["results"]}) == len(stored()) == 250


@pytest.mark.parametrize(
    ("token", "status", "error"),
    [
        (None, 401, "No authorization token provided"),
        ("Basic dTpw", 401, "No authorization token provided"),
        ("nonsense", 403, "Invalid or expired token"),
        (wrapper_token(secret="another key that is thirty-two bytes long"), 403, "Invalid or expired token"),
        (wrapper_token(exp=time.time() - 5), 403, "Invalid or expired token"),
        (wrapper_token(exp=None), 403, "Invalid or expired token"),
        (wrapper_token(algorithm="HS384"), 403, "Invalid or expired token"),
        (jwt.encode({"orgCode": "acme"}, "", "none"), 403, "Invalid or expired token"),
        (wrapper_token(None), 403, "Invalid or expired token"),
        (wrapper_token(""), 403, "Invalid or expired token"),
    ],
)
def test_refused_callers(client: TestClient, stored: Sync, token: str | None, status: int, error: str) -> None:
    scheme = "" if token is None or " " in token else "Bearer "
    headers = {} if token is None else {"Authorization": scheme + token}
    response = client.post(PATH, content=b"not read at all", headers=headers)
    assert (response.status_code, response.json()["success"], response.json()["error"]) == (status, False, error)
    [row] = stored(sync_logs)
    assert (row["status"], row["source"], row["tenant_id"]) == ("refused", "wrapper", None)
    assert not token or token not in row["details"]


def test_settings_of_the_token(serve: Any) -> None:
    body = {"users": [user(1)]}
    with serve(WRAPPER_SECRET_KEY=SECRET, WRAPPER_ORG_CODE="acme", WRAPPER_ALLOW_NO_EXP="true") as client:
        for org, status in ((None, 200), ("acme", 200), ("other", 403)):
            headers = {"Authorization": f"Bearer {wrapper_token(org, exp=None)}"}
            assert client.post(PATH, json=body, headers=headers).status_code == status
    with serve(WRAPPER_SECRET_KEY=SECRET, WRAPPER_ALGORITHM="HS512") as client:
        for algorithm, status in (("HS512", 200), ("HS256", 403)):
            headers = {"Authorization": f"Bearer {wrapper_token(algorithm=algorithm)}"}
            assert client.post(PATH, json=body, headers=headers).status_code == status


def test_without_a_secret_nobody_comes_in(serve: Any) -> None:
    with serve() as client:
        for headers in ({}, {"Authorization": f"Bearer {wrapper_token(secret='x' * 32)}"}):
            response = client.post(PATH, json={"users": [user(1)]}, headers=headers)
            assert response.status_code == 503
            assert "WRAPPER_SECRET_KEY" in response.json()["error"]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"users": {}}', b'{"users": []}', b"{}", b'{"users": [NaN]}', b"\xff"])
def test_what_is_no_list_of_users(client: TestClient, stored: Sync, body: bytes) -> None:
    response = client.post(PATH, content=body, headers={"Authorization": f"Bearer {wrapper_token()}"})
    assert (response.status_code, response.json()["error"]) == (400, "Invalid users array provided")
    assert [row["status"] for row in stored(sync_logs)] == ["refused"]


def test_an_unknown_mode(call: Sync, stored: Sync) -> None:
    assert call(user(1), mode="replace", status=400)["success"] is False
    assert stored() == []


def test_a_body_past_the_limit(serve: Any) -> None:
    headers = {"Authorization": f"Bearer {wrapper_token()}"}
    with serve(WRAPPER_SECRET_KEY=SECRET, USER_SYNC_MAX_BODY_MB="0.01") as client:
        for content in (b" " * 20_000, iter([b" " * 6_000] * 4)):
            response = client.post(PATH, content=content, headers=headers)
            assert (response.status_code, response.json()["success"]) == (413, False)


@pytest.mark.parametrize(
    "bad", [None, "text", 5, [], user(2, isActive="yes"), user(2, metadata=[]), user(2, firstName=5), user("\x00")]
)
def test_one_bad_entry_fails_alone(call: Sync, stored: Sync, bad: Any) -> None:
    answer = call(user(1), bad, user(3))
    assert [result["status"] for result in answer["data"]["results"]] == ["created", "failed", "created"]
    assert len(stored()) == 2


def test_a_500_tells_a_request_id_and_no_internals(client: TestClient, context_of: Any, stored: Sync) -> None:
    store = context_of(client).store
    with store.write() as connection:
        connection.execute(sa.text("ALTER TABLE tenants RENAME TO gone"))
    response = client.post(PATH, json={"users": [user(1)]}, headers={"Authorization": f"Bearer {wrapper_token()}"})
    with store.write() as connection:
        connection.execute(sa.text("ALTER TABLE gone RENAME TO tenants"))
    assert response.status_code == 500
    assert response.json() == {
        "success": False, "error": "Internal server error during sync", "details": response.headers["x-request-id"],
    }  # fmt: skip
    assert [row["status"] for row in stored(sync_logs)] == ["error"]
