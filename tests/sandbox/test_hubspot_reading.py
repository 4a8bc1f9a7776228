"""HubSpot's logins, lists, limits and errors, line by line as the fact sheet has it (1.1, 1.2, 1.4, 1.6)."""

from __future__ import annotations

import httpx
import pytest
from emulated import hubspot_filters, hubspot_list, hubspot_search

from pipelines.sandbox.inside import HttpxTransport
from pipelines.sandbox.server import Sandbox

CRM, PEOPLE = "hubspot", 150

OBJECTS = "/crm/v3/objects"


@pytest.mark.parametrize("path", ["/oauth/v1/token", "/oauth/v3/token"])
def test_tokens_of_an_app(sandbox: Sandbox, path: str) -> None:
    """1.1: form; snake_case answer; 30 minutes; client_credentials without refresh_token; then EXPIRED."""
    client = httpx.Client(transport=HttpxTransport(sandbox), base_url="http://sandbox/hubspot")
    given = sandbox.crm("hubspot").environment("")
    asked = {"client_id": given["HUBSPOT_CLIENT_ID"], "client_secret": given["HUBSPOT_CLIENT_SECRET"]}
    grant = {"grant_type": "refresh_token", "refresh_token": given["HUBSPOT_REFRESH_TOKEN"]}
    granted = client.post(path, data=asked | grant).json()
    assert (granted["expires_in"], granted["token_type"], "refresh_token" in granted) == (1800, "bearer", True)
    assert "refresh_token" not in client.post(path, data=asked | {"grant_type": "client_credentials"}).json()
    bad = client.post(path, data=asked | grant | {"refresh_token": "no"})
    assert (bad.status_code, bad.json()["status"]) == (400, "BAD_REFRESH_TOKEN")
    client.headers["Authorization"] = f"Bearer {granted['access_token']}"
    answered = client.get(f"{OBJECTS}/contacts")
    assert answered.headers["x-hubspot-ratelimit-max"] == "110"
    assert "x-hubspot-ratelimit-daily" not in answered.headers
    about = client.get(f"/oauth/v1/access-tokens/{granted['access_token']}").json()
    assert about["hub_id"] == 1234567
    assert client.post("/oauth/v3/token/introspect", data={"token": granted["access_token"]}).json()["active"]
    sandbox.crm("hubspot").clock.advance(1801)
    expired = client.get(f"{OBJECTS}/contacts")
    assert (expired.status_code, expired.json()["category"]) == (401, "EXPIRED_AUTHENTICATION")


def test_private_tokens_do_not_expire_and_others_are_401(sandbox: Sandbox, client: httpx.Client) -> None:
    """1.1, 1.6."""
    sandbox.crm("hubspot").clock.advance(10_000_000)
    assert client.get(f"{OBJECTS}/contacts").status_code == 200
    for header in ("Bearer nonsense", ""):
        refused = client.get(f"{OBJECTS}/contacts", headers={"Authorization": header})
        assert (refused.status_code, refused.json()["category"]) == (401, "INVALID_AUTHENTICATION")


def test_list_pages(client: httpx.Client) -> None:
    """1.2: default 10, at most 100; `paging` is absent at the end; in the order of ids; `after` is an id."""
    first = client.get(f"{OBJECTS}/contacts").json()
    assert len(first["results"]) == 10
    ids = [record["id"] for record in hubspot_list(client, "contacts")]
    assert ids == sorted(set(ids), key=int)
    assert first["paging"]["next"]["after"] == ids[10]
    last = client.get(f"{OBJECTS}/contacts", params={"after": ids[-3], "limit": "3"}).json()
    assert ([record["id"] for record in last["results"]], "paging" in last) == (ids[-3:], False)
    assert client.get(f"{OBJECTS}/contacts", params={"limit": "101"}).status_code == 400


def test_default_and_asked_properties(client: httpx.Client) -> None:
    """1.2: without `properties` the default set; every value is text or null; names that do not exist are left out."""
    contact = client.get(f"{OBJECTS}/contacts").json()["results"][0]
    assert set(contact["properties"]) == {
        "createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname",
    }  # fmt: skip
    deals = hubspot_list(client, "deals", properties="amount,closedate,no_such")
    assert all(set(d["properties"]) == {"amount", "closedate", "createdate", "hs_lastmodifieddate", "hs_object_id"}
               for d in deals)  # fmt: skip
    assert {type(value) for d in deals for value in d["properties"].values()} == {str, type(None)}
    assert (contact["updatedAt"], contact["archived"]) == (contact["properties"]["lastmodifieddate"], False)


def test_associations_in_a_list_and_batch_read(client: httpx.Client) -> None:
    """1.2: `associations` by type; batch read ≤100, 207 where an id is not there, by `idProperty` too."""
    deals = hubspot_list(client, "deals", associations="contacts")
    linked = deals[0]["associations"]["contacts"]["results"][0]
    assert linked["type"] == "deal_to_contact"
    asked = {"inputs": [{"id": linked["id"]}, {"id": "1"}], "properties": ["email"]}
    read = client.post(f"{OBJECTS}/contacts/batch/read", json=asked)
    assert read.status_code == 207
    body = read.json()
    assert (body["numErrors"], body["errors"][0]["category"]) == (1, "OBJECT_NOT_FOUND")
    email = next(c["properties"]["email"] for c in hubspot_list(client, "contacts") if c["properties"]["email"])
    by_email = {"inputs": [{"id": email}], "idProperty": "email", "properties": []}
    assert client.post(f"{OBJECTS}/contacts/batch/read", json=by_email).status_code == 200
    assert client.get(f"{OBJECTS}/contacts/{email}", params={"idProperty": "email"}).status_code == 200
    many = {"inputs": [{"id": str(n)} for n in range(101)], "properties": []}
    assert client.post(f"{OBJECTS}/contacts/batch/read", json=many).status_code == 400


def test_archived_records(sandbox: Sandbox, client: httpx.Client) -> None:
    """1.2: archive is a soft delete; listed with `archivedAt`; not in the search; the bin empties after 90 days."""
    gone = client.get(f"{OBJECTS}/deals").json()["results"][0]["id"]
    assert client.delete(f"{OBJECTS}/deals/{gone}").status_code == 204
    assert client.get(f"{OBJECTS}/deals/{gone}").status_code == 404
    archived = hubspot_list(client, "deals", archived="true")
    assert [(record["id"], record["archived"]) for record in archived] == [(gone, True)]
    assert archived[0]["archivedAt"] == archived[0]["updatedAt"]
    assert client.get(f"{OBJECTS}/deals/{gone}", params={"archived": "true"}).status_code == 200
    found = hubspot_filters({"propertyName": "hs_object_id", "operator": "EQ", "value": gone})
    assert hubspot_search(client, "deals", found)["total"] == 0
    sandbox.crm("hubspot").clock.advance(91 * 86_400)
    assert hubspot_list(client, "deals", archived="true") == []


def test_rate_headers(client: httpx.Client) -> None:
    """1.4: private apps have the daily pair too; searches and owners have none."""
    listed = client.get(f"{OBJECTS}/contacts").headers
    assert (listed["x-hubspot-ratelimit-max"], listed["x-hubspot-ratelimit-interval-milliseconds"]) == ("190", "10000")
    assert "x-hubspot-ratelimit-daily-remaining" in listed
    for bare in (client.post(f"{OBJECTS}/contacts/search", json={}), client.get("/crm/v3/owners")):
        assert not [name for name in bare.headers if name.startswith("x-hubspot-ratelimit")]
        assert "x-hubspot-correlation-id" in bare.headers


@pytest.mark.usefixtures("windows_stand_still")
def test_over_the_limit_is_429(sandbox: Sandbox, client: httpx.Client) -> None:
    """1.4: searches 5 a second; 190 in ten seconds; `policyName` may be lacking; no Retry-After."""
    crm = sandbox.crm("hubspot")
    crm.is_limited = True
    last = [client.post(f"{OBJECTS}/contacts/search", json={}) for _ in range(6)][-1]
    assert (last.status_code, last.json()["message"]) == (429, "You have reached your secondly limit.")
    assert (last.json()["errorType"], last.json()["policyName"]) == ("RATE_LIMIT", "SECONDLY")
    crm.switches["say_policy"] = False
    left = client.get("/account-info/v3/details").headers["x-hubspot-ratelimit-remaining"]
    refused = [client.get("/account-info/v3/details") for _ in range(int(left) + 1)][-1]
    assert refused.json()["message"] == "You have reached your ten_secondly_rolling limit."
    assert "policyName" not in refused.json()
    assert "retry-after" not in refused.headers


def test_errors(sandbox: Sandbox, client: httpx.Client) -> None:
    """1.6: an unknown type has no category; 404; 403 names the scope."""
    unknown = client.get(f"{OBJECTS}/butterflies")
    assert (unknown.status_code, unknown.json()["message"]) == (400, "Unable to infer object type from: butterflies")
    assert "category" not in unknown.json()
    assert client.get(f"{OBJECTS}/contacts/1").json()["category"] == "OBJECT_NOT_FOUND"
    assert client.get("/nothing/here").status_code == 404
    sandbox.crm("hubspot").switches["withheld_scopes"] = ["crm.objects.owners.read"]
    refused = client.get("/crm/v3/owners")
    assert (refused.status_code, refused.json()["category"]) == (403, "MISSING_SCOPES")


def test_owners_pipelines_properties_account(client: httpx.Client) -> None:
    """1.2."""
    owners = client.get("/crm/v3/owners", params={"limit": "3"}).json()
    after = owners["paging"]["next"]["after"]
    assert client.get("/crm/v3/owners", params={"after": after}).json()["results"][0]["id"] == after
    owner = owners["results"][0]
    assert client.get(f"/crm/v3/owners/{owner['userId']}", params={"idProperty": "userId"}).json() == owner
    assert client.get("/crm/v3/owners", params={"email": owner["email"]}).json()["results"] == [owner]
    stages = client.get("/crm/v3/pipelines/deals").json()["results"][0]["stages"]
    assert {type(value) for stage in stages for value in stage["metadata"].values()} == {str}
    used = {d["properties"]["dealstage"] for d in hubspot_list(client, "deals")}
    assert used <= {stage["id"] for stage in stages}
    listing = {each["name"] for each in client.get("/crm/v3/properties/0-420").json()["results"]}
    assert {"hs_object_id", "hs_lastmodifieddate"} < listing
    assert client.get("/account-info/v3/details").json()["portalId"] == 1234567
    assert client.get("/crm/objects/2026-03/listings").json()["results"]
