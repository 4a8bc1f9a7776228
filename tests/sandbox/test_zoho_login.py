"""Zoho CRM, line by line: fact sheet 3.1 (login) and 3.4 (credits)."""

from __future__ import annotations

import emulated
import httpx
import pytest
from emulated import zoho_refusal

from pipelines.sandbox.clock import parse_time
from pipelines.sandbox.crms.zoho import oauth
from pipelines.sandbox.inside import HttpxTransport
from pipelines.sandbox.server import Sandbox

CRM, PEOPLE = "zoho", 60

REFRESH = {
    "grant_type": "refresh_token", "refresh_token": oauth.REFRESH_TOKEN, "client_id": oauth.CLIENT_ID,
    "client_secret": oauth.CLIENT_SECRET,
}  # fmt: skip
MOUNT = "http://sandbox/zoho"


@pytest.mark.parametrize("where", ["data", "params"])
def test_a_token_by_refresh(sandbox: Sandbox, where: str) -> None:
    """3.1: params as form-data or query; no refresh_token after the first exchange; api_domain is where the API is."""
    with httpx.Client(transport=HttpxTransport(sandbox)) as stranger:
        granted = stranger.post(f"{MOUNT}/oauth/v2/token", **{where: REFRESH}).json()
        assert set(granted) == {"access_token", "scope", "api_domain", "token_type", "expires_in"}
        assert (granted["api_domain"], granted["token_type"], granted["expires_in"]) == (MOUNT, "Bearer", 3600)
        code = {"grant_type": "authorization_code", "code": oauth.CODE}
        assert "refresh_token" in stranger.post(f"{MOUNT}/oauth/v2/token", data=REFRESH | code).json()


@pytest.mark.parametrize(
    ("wrong", "error"),
    [({"client_id": "no"}, "invalid_client"), ({"client_secret": "no"}, "invalid_client"),
     ({"refresh_token": "no"}, "invalid_code")],
)  # fmt: skip
def test_token_errors_are_http_200(sandbox: Sandbox, wrong: dict[str, str], error: str) -> None:
    """3.1: token errors are HTTP 200 with {"error": ...}."""
    with httpx.Client(transport=HttpxTransport(sandbox)) as stranger:
        refused = stranger.post(f"{MOUNT}/oauth/v2/token", data=REFRESH | wrong)
    assert (refused.status_code, refused.json()) == (200, {"error": error})


def test_too_many_tokens_are_400(sandbox: Sandbox) -> None:
    """3.1: 10 access tokens in 10 minutes for one refresh token; 400 "Access Denied"."""
    sandbox.crm("zoho").is_limited = True
    with httpx.Client(transport=HttpxTransport(sandbox)) as stranger:
        answers = [stranger.post(f"{MOUNT}/oauth/v2/token", data=REFRESH) for _ in range(11)]
    assert [answered.status_code for answered in answers] == [200] * 10 + [400]
    assert (answers[-1].json()["error"], answers[-1].json()["status"]) == ("Access Denied", "failure")


def test_tokens_end_and_schemes(sandbox: Sandbox, client: httpx.Client) -> None:
    """3.1: Zoho-oauthtoken, Bearer accepted in practice, one hour. 3.6: 401 INVALID_TOKEN."""
    token = client.headers["Authorization"].split()[1]
    answered = client.get("users", headers={"Authorization": f"Bearer {token}"})
    assert parse_time(answered.headers["x-accesstoken-reset"]) > sandbox.crm("zoho").clock.now()
    sandbox.crm("zoho").clock.advance(3601)
    refused = client.get("users")
    assert zoho_refusal(refused) == (401, "INVALID_TOKEN")
    assert refused.json()["message"] == "invalid oauth token"
    assert zoho_refusal(client.get("users", headers={"Authorization": ""})) == (401, "AUTHENTICATION_FAILURE")


def test_the_data_centre_says_where_the_api_is(sandbox: Sandbox, client: httpx.Client) -> None:
    """3.1: hosts are bound to a data centre; API host = api_domain from the token response."""
    sandbox.crm("zoho").switches["data_centre"] = "eu"
    domain = client.post(f"{MOUNT}/oauth/v2/token", data=REFRESH).json()["api_domain"]
    assert domain == f"{MOUNT}/eu"
    assert client.get(f"{domain}/crm/v8/users").status_code == 200
    assert zoho_refusal(client.get("users")) == (401, "INVALID_TOKEN")


def test_credits(sandbox: Sandbox, client: httpx.Client) -> None:
    """3.4: X-API-CREDITS-REMAINING only from 50 %; writes 1 for 10 rows; 429 TOO_MANY_REQUESTS, no Retry-After."""
    crm = sandbox.crm("zoho")
    crm.switches["credits"], crm.is_limited = 8, True
    headers = [client.get("users").headers for _ in range(4)]
    assert [answered.get("X-API-CREDITS-REMAINING") for answered in headers] == [None, None, None, "4"]
    eleven = {"data": [{"Last_Name": f"N{n}"} for n in range(11)]}
    assert client.post("Contacts", json=eleven).headers["X-API-CREDITS-REMAINING"] == "2"
    refused = client.get("Contacts", params={"fields": "id", "cvid": "1"})
    assert zoho_refusal(refused) == (429, "TOO_MANY_REQUESTS")
    assert not [name for name in refused.headers if name.startswith("x-ratelimit") or name == "retry-after"]
    crm.clock.advance(86_401)
    assert emulated.client(sandbox, CRM).get("users").status_code == 200
