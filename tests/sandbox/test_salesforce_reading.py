"""Salesforce's logins, single records, replication and limits, line by line as the fact sheet has it (2.1 to 2.6)."""

from __future__ import annotations

import re
from typing import Any

import emulated
import httpx
import pytest
from emulated import salesforce_held

from pipelines.sandbox.crms.salesforce.ids import looked_up, whole
from pipelines.sandbox.server import Sandbox

CRM, PEOPLE = "salesforce", 150

DATA = "/services/data/v60.0"
PAIR = {"client_id": "salesforce-sandbox-client", "client_secret": "salesforce-sandbox-secret"}


def ids(answer: Any) -> list[str]:
    return [row["Id"] for row in answer["records"]]


@pytest.mark.parametrize(
    ("form", "auth"),
    [
        ({"grant_type": "client_credentials"} | PAIR, None),
        ({"grant_type": "client_credentials"}, tuple(PAIR.values())),
        ({"grant_type": "refresh_token", "refresh_token": "salesforce-sandbox-refresh-token"} | PAIR, None),
        ({"grant_type": "refresh_token", "refresh_token": "salesforce-sandbox-refresh-token",
          "client_id": PAIR["client_id"]}, None),
        ({"grant_type": "password", "username": "integration@sandbox.example.com",
          "password": "salesforce-sandbox-password"} | PAIR, None),
    ],
)  # fmt: skip
def test_grants(stranger: httpx.Client, form: dict[str, str], auth: Any) -> None:
    """2.1: form-encoded; no `expires_in`; `issued_at` is text; the token has a `!`; no refresh token."""
    granted = stranger.post("/services/oauth2/token", data=form, auth=auth).raise_for_status().json()
    assert set(granted) == {"access_token", "signature", "scope", "instance_url", "id", "token_type", "issued_at"}
    assert isinstance(granted["issued_at"], str)
    assert "!" in granted["access_token"]
    assert granted["instance_url"] == "http://sandbox/salesforce"
    address = f"{granted['instance_url']}{DATA}/limits"
    assert stranger.get(address, headers={"Authorization": f"Bearer {granted['access_token']}"}).status_code == 200


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"grant_type": "refresh_token", "refresh_token": "no"}, "invalid_grant"),
        ({"grant_type": "client_credentials", "client_id": "no"}, "invalid_client_id"),
        ({"grant_type": "client_credentials", "client_secret": "no"}, "invalid_client"),
        ({"grant_type": "magic"}, "unsupported_grant_type"),
    ],
)
def test_refused_grants_are_400(stranger: httpx.Client, form: dict[str, str], code: str) -> None:
    refused = stranger.post("/services/oauth2/token", data=PAIR | form)
    assert (refused.status_code, refused.json()["error"]) == (400, code)
    assert refused.json()["error_description"]


def test_an_expired_session_is_401(sandbox: Sandbox, client: httpx.Client) -> None:
    """2.1, 2.6: a list of errors."""
    sandbox.crm("salesforce").clock.advance(7_201)
    refused = client.get(f"{DATA}/limits")
    assert refused.status_code == 401
    assert refused.json() == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
    assert stranger_versions(client)[0]["url"].startswith("/services/data/v")


def stranger_versions(client: httpx.Client) -> Any:
    """2.2: versions need no login."""
    return client.get("/services/data", headers={"Authorization": ""}).raise_for_status().json()


def test_replication(sandbox: Sandbox, client: httpx.Client) -> None:
    """2.2: updated within 30 days, deleted within 15; seconds are dropped; too many ids are an error."""
    crm = sandbox.crm("salesforce")
    crm.clock.stop(1_800_000_030)
    emulated.log_in(client, sandbox, CRM)
    changed, gone = crm.store.select("Contact", limit=2)
    crm.edit(changed, {"Title": "Broker"})
    crm.remove(gone)
    window = {"start": "2027-01-15T00:00:00+00:00", "end": "2027-01-15T08:01:30+00:00"}
    updated = client.get(f"{DATA}/sobjects/Contact/updated/", params=window).json()
    assert updated == {"ids": [changed.id], "latestDateCovered": "2027-01-15T08:01:00.000+0000"}
    deleted = client.get(f"{DATA}/sobjects/Contact/deleted/", params=window).json()
    assert deleted["deletedRecords"] == [{"id": gone.id, "deletedDate": "2027-01-15T08:00:30.000+0000"}]
    assert "earliestDateAvailable" in deleted
    cut = window | {"end": "2027-01-15T08:00:59Z"}
    assert client.get(f"{DATA}/sobjects/Contact/updated/", params=cut).json()["ids"] == []
    for days, kind in ((31, "updated"), (16, "deleted")):
        old = window | {"start": f"2026-12-{15 + 31 - days:02d}T00:00:00Z"}
        refused = client.get(f"{DATA}/sobjects/Contact/{kind}/", params=old)
        assert refused.json()[0]["errorCode"] == "INVALID_REPLICATION_DATE"
    crm.switches["id_limit"] = 0
    refused = client.get(f"{DATA}/sobjects/Contact/updated/", params=window)
    assert refused.json()[0]["errorCode"] == "EXCEEDED_ID_LIMIT"


def test_limits(sandbox: Sandbox, client: httpx.Client) -> None:
    """2.4: `Sforce-Limit-Info` but not on 204; over the limit 403, a list, no Retry-After."""
    crm = sandbox.crm("salesforce")
    id = crm.store.select("Contact")[0].id
    first = client.get(f"{DATA}/limits")
    used = int(re.fullmatch(r"api-usage=(\d+)/15000", first.headers["sforce-limit-info"])[1])  # type: ignore[index]
    assert first.json()["DailyApiRequests"] == {"Max": 15_000, "Remaining": 15_000 - used}
    changed = client.patch(f"{DATA}/sobjects/Contact/{id}", json={"Title": "X"})
    assert (changed.status_code, "sforce-limit-info" in changed.headers) == (204, False)
    crm.switches["daily_requests"], crm.is_limited = 3, True
    refused = [client.get(f"{DATA}/limits") for _ in range(4)][-1]
    assert refused.status_code == 403
    assert refused.json() == [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
    assert "retry-after" not in refused.headers


def test_one_record(sandbox: Sandbox, client: httpx.Client) -> None:
    """2.2, 2.3: `fields`; 15 and 18 characters; unchanged is 304; 404s."""
    id = sandbox.crm("salesforce").store.select("Contact")[0].id
    body = client.get(f"{DATA}/sobjects/Contact/{id[:15]}", params={"fields": "Id,LastName"}).json()
    assert set(body) == {"attributes", "Id", "LastName"}
    assert body["Id"] == id
    later = {"If-Modified-Since": "Wed, 30 Dec 2026 00:00:00 GMT"}
    assert client.get(f"{DATA}/sobjects/Contact/{id}", headers=later).status_code == 304
    earlier = {"If-Unmodified-Since": "Wed, 30 Dec 2009 00:00:00 GMT"}
    assert client.patch(f"{DATA}/sobjects/Contact/{id}", json={}, headers=earlier).status_code == 412
    missing = client.get(f"{DATA}/sobjects/Contact/{whole('0035g0000000zzz')}")
    assert (missing.status_code, missing.json()[0]["errorCode"]) == (404, "NOT_FOUND")
    assert client.get(f"{DATA}/sobjects/Contact/nonsense").json()[0]["errorCode"] == "MALFORMED_ID"
    assert client.get(f"{DATA}/sobjects/Nope/{id}").status_code == 404
    assert client.get(f"{DATA}/nothing").json()[0]["errorCode"] == "NOT_FOUND"


def test_ids() -> None:
    """2.2: the last three characters follow from the others; the sheet's contact."""
    assert (whole("003xx000004TmiQ"), whole("001A0000006Vm9r")) == ("003xx000004TmiQAAS", "001A0000006Vm9rIAC")
    assert looked_up("003xx000004TmiQAAA") is None


def test_describe(client: httpx.Client) -> None:
    fields = {each["name"]: each for each in client.get(f"{DATA}/sobjects/Opportunity/describe").json()["fields"]}
    assert fields["Amount"]["type"] == "currency"
    assert (fields["AccountId"]["referenceTo"], fields["AccountId"]["relationshipName"]) == (["Account"], "Account")
    assert fields["Property__c"]["custom"]
    assert "Closed Won" in [each["value"] for each in fields["StageName"]["picklistValues"]]
    assert client.get(f"{DATA}/sobjects/Nope/describe").status_code == 404


def test_leads_and_conversion(sandbox: Sandbox) -> None:
    """2.2: `Lead (IsConverted, ConvertedContactId)`: a converted lead's person is a contact."""
    contacts = {body["Id"] for body in salesforce_held(sandbox, "Contact")}
    leads = salesforce_held(sandbox, "Lead")
    assert {lead["IsConverted"] for lead in leads} == {True, False}
    assert {lead["ConvertedContactId"] for lead in leads if lead["IsConverted"]} <= contacts
    assert all(role["ContactId"] in contacts for role in salesforce_held(sandbox, "OpportunityContactRole"))
    assert all(body["LastName"] for body in salesforce_held(sandbox, "Contact"))
