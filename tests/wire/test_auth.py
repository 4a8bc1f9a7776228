"""Authentication: every kind, tokens that expire, refusals that look like success, and no secret in any error."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest
from requests import Request

from pipelines.connections.errors import SettingsError
from pipelines.mapping.language import Request as Asked
from pipelines.wire.auth import build_auth
from pipelines.wire.errors import AuthenticationFailed, CrmUnreachable

OAUTH = {
    "type": "oauth2_client_credentials", "access_token_url": "oauth/token", "client_id": "id-1",
    "client_secret": "s3cr3t-value",
}  # fmt: skip


def send(wire: Any, path: str = "contacts") -> Any:
    def raise_for_status(response: Any, *_: Any, **__: Any) -> None:
        response.raise_for_status()

    request = Request("GET", f"{wire.log_in()}/{path}", hooks={"response": [raise_for_status]})
    return wire.session.send(wire.session.prepare_request(request))


def tokens(answer: dict[str, Any] | None = None, refuse: set[str] | None = None) -> Callable[[Any, int], Any]:
    issued = [0]

    def crm(request: Any, _: int) -> Any:
        if "token" in request.url:
            issued[0] += 1
            said = {"access_token": f"token-{issued[0]}", "expires_in": 3600, **(answer or {})}
            return 200, json.dumps(said).encode(), {}
        if request.headers["Authorization"].split()[-1] in (refuse or set()):
            return 401, b'{"message": "expired"}', {}
        return 200, b"{}", {}

    return crm


def test_a_token_is_asked_for_once_and_kept(wired: Callable[..., Any]) -> None:
    wire, adapter = wired(tokens(), auth={**OAUTH, "request_format": "json"})
    send(wire), send(wire)
    assert [r.url for r in adapter.requests] == [
        "https://crm.test/v1/oauth/token", "https://crm.test/v1/contacts", "https://crm.test/v1/contacts",
    ]  # fmt: skip
    assert json.loads(adapter.requests[0].body) == {
        "grant_type": "client_credentials", "client_id": "id-1", "client_secret": "s3cr3t-value",
    }  # fmt: skip
    assert adapter.requests[1].headers["Authorization"] == "Bearer token-1"
    assert "Authorization" not in adapter.requests[0].headers


def test_a_token_is_asked_for_as_a_form_or_with_basic(wired: Callable[..., Any]) -> None:
    wire, adapter = wired(tokens(), auth={**OAUTH, "access_token_request_data": {"scope": "all"}})
    send(wire)
    assert parse_qs(adapter.requests[0].body)["scope"] == ["all"]
    wire, adapter = wired(tokens(), auth={**OAUTH, "client_id": "id-2", "request_format": "basic"})
    send(wire)
    expected = base64.b64encode(b"id-2:s3cr3t-value").decode()
    assert adapter.requests[0].headers["Authorization"] == f"Basic {expected}"
    assert "s3cr3t" not in str(adapter.requests[0].body)


def test_a_refused_token_is_renewed_once(wired: Callable[..., Any]) -> None:
    wire, adapter = wired(tokens(refuse={"token-1"}), auth=OAUTH)
    assert send(wire).status_code == 200
    assert adapter.requests[-1].headers["Authorization"] == "Bearer token-2"
    wire, adapter = wired(tokens(refuse={f"token-{i}" for i in range(9)}), auth={**OAUTH, "client_id": "other"})
    with pytest.raises(Exception, match="401"):
        send(wire)
    assert len([r for r in adapter.requests if "token" in r.url]) == 2


def test_a_call_that_is_no_page_renews_it_alike(wired: Callable[..., Any]) -> None:
    """`Wire.ask` raises at no status; the login is renewed all the same, once."""
    wire, adapter = wired(tokens(refuse={"token-1"}), auth=OAUTH)
    assert wire.ask(Asked(path="contacts/1")).status_code == 200
    assert [r.headers.get("Authorization") for r in adapter.requests if "contacts" in r.url] == [
        "Bearer token-1", "Bearer token-2",
    ]  # fmt: skip
    wire, adapter = wired(tokens(refuse={f"token-{i}" for i in range(9)}), auth={**OAUTH, "client_id": "other"})
    assert wire.ask(Asked(path="contacts/1")).status_code == 401
    assert len(adapter.requests) == 4


def test_an_expired_token_is_renewed_before_it_is_refused(
    wired: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    wire, adapter = wired(tokens({"expires_in": 100}), auth=OAUTH)
    send(wire)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 95)
    send(wire)
    assert adapter.requests[-1].headers["Authorization"] == "Bearer token-2"


def test_threads_ask_for_one_token(wired: Callable[..., Any]) -> None:
    wire, adapter = wired(tokens(), auth=OAUTH)
    threads = [threading.Thread(target=send, args=(wire,)) for _ in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert len([r for r in adapter.requests if "token" in r.url]) == 1


def test_the_answer_may_name_the_host(wired: Callable[..., Any]) -> None:
    auth = {
        "type": "oauth2_refresh_token", "access_token_url": "https://accounts.test/oauth/v2/token", "client_id": "c",
        "client_secret": "s", "refresh_token": "r3fr3sh", "base_url_from": "api_domain",
        "header_prefix": "Acme-oauthtoken",
    }  # fmt: skip
    wire, adapter = wired(tokens({"api_domain": "https://eu.crm.test"}), auth=auth)
    send(wire)
    assert parse_qs(adapter.requests[0].body)["grant_type"] == ["refresh_token"]
    assert adapter.requests[1].url == "https://eu.crm.test/contacts"
    assert adapter.requests[1].headers["Authorization"] == "Acme-oauthtoken token-1"


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (
            401,
            {"error": "invalid_client", "error_description": "Invalid client_id or client_secret"},
            "Invalid client_id",
        ),
        (200, {"error": "invalid_code"}, "invalid_code"),
        (400, {"error": "invalid_grant", "error_description": "authentication failure"}, "authentication failure"),
        (200, {}, ""),
    ],
)
def test_a_refused_login_says_so_without_a_secret(
    wired: Callable[..., Any], status: int, body: dict[str, str], words: str
) -> None:
    wire, _ = wired(lambda *_: (status, json.dumps({**body, "sent": "s3cr3t-value"}).encode(), {}), auth=OAUTH)
    with pytest.raises(AuthenticationFailed) as raised:
        send(wire)
    assert raised.value.message == "Acme authentication failed"
    assert words in raised.value.details
    assert "s3cr3t" not in str(raised.value)
    assert raised.value.exit_code == 3


def test_a_login_that_is_down_is_no_refusal(wired: Callable[..., Any]) -> None:
    wire, _ = wired(lambda *_: (502, b"bad gateway", {}), auth=OAUTH)
    with pytest.raises(CrmUnreachable, match="Failed to authenticate"):
        send(wire)


def test_a_token_is_hidden_from_errors(wired: Callable[..., Any]) -> None:
    wire, _ = wired(tokens({"access_token": "very-long-token-value"}), auth=OAUTH)
    send(wire)
    assert wire.redact.text("sent very-long-token-value") == "sent ***"


@pytest.mark.parametrize(
    ("block", "headers", "query"),
    [
        ({"type": "bearer", "token": "t"}, {"Authorization": "Bearer t"}, ""),
        ({"type": "api_key", "api_key": "Token token=t"}, {"Authorization": "Token token=t"}, ""),
        ({"type": "api_key", "api_key": "t", "name": "key", "location": "query"}, {}, "?key=t"),
        ({"type": "http_basic", "username": "k", "password": ""}, {"Authorization": "Basic azo="}, ""),
        ({"type": "header_token", "token": "t", "prefix": "Token token="}, {"Authorization": "Token token=t"}, ""),
        ({"type": "two_keys", "headers": {"X-Api-Key": "a", "Authorization": "Bearer b"}},
         {"X-Api-Key": "a", "Authorization": "Bearer b"}, ""),
    ],
)  # fmt: skip
def test_plain_credentials(
    wired: Callable[..., Any], block: dict[str, Any], headers: dict[str, str], query: str
) -> None:
    wire, adapter = wired(lambda *_: (200, b"{}", {}), auth=block)
    send(wire)
    sent = adapter.requests[0]
    assert {k: sent.headers.get(k) for k in headers} == headers
    assert sent.url == f"https://crm.test/v1/contacts{query}"


def test_an_unknown_kind_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsError, match="'magic' is not known"):
        build_auth({"type": "magic"})
    with pytest.raises(SettingsError, match="client_id"):
        build_auth({"type": "oauth2_client_credentials", "access_token_url": "x"})
