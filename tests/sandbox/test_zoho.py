"""Zoho CRM, line by line: fact sheet 3.1 to 3.6, read side. What Zoho's own SDK does is in test_zoho_sdk.py."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import formatdate
from typing import Any

import emulated
import httpx
import pytest
from emulated import zoho_pages, zoho_refusal

from pipelines.sandbox.clock import iso_seconds, parse_time
from pipelines.sandbox.crms.zoho import oauth, schema
from pipelines.sandbox.server import Sandbox

CRM, PEOPLE = "zoho", 60

REFRESH = {
    "grant_type": "refresh_token", "refresh_token": oauth.REFRESH_TOKEN, "client_id": oauth.CLIENT_ID,
    "client_secret": oauth.CLIENT_SECRET,
}  # fmt: skip
MOUNT = "http://sandbox/zoho"


@pytest.fixture(scope="module")
def large() -> Iterator[httpx.Client]:
    """A client of an organisation with more than 2,000 contacts, for reading only."""
    client = emulated.client(emulated.emulated(CRM, 3300), CRM)
    yield client
    client.close()


def test_fields_are_mandatory_from_v3_on(client: httpx.Client) -> None:
    """3.2: missing `fields` -> REQUIRED_PARAM_MISSING with param_name; over 50 -> LIMIT_EXCEEDED; v2 needs none."""
    refused = client.get("Contacts")
    assert zoho_refusal(refused) == (400, "REQUIRED_PARAM_MISSING")
    assert refused.json()["details"] == {"param_name": "fields"}
    assert zoho_refusal(client.get("Contacts", params={"fields": ",".join(f"F{n}" for n in range(51))})) == (
        400,
        "LIMIT_EXCEEDED",
    )
    old = client.get(f"{MOUNT}/crm/v2/Contacts").json()
    assert set(old["info"]) == {"per_page", "count", "page", "more_records"}
    assert {"Last_Name", "Email", "Owner", "Created_Time", "Tag", "$approval_state"} <= set(old["data"][0])


def test_the_fields_of_records(client: httpx.Client) -> None:
    """3.2, the samples: lookups and owners are objects, 19-digit ids, times with an offset and no milliseconds."""
    names = "Last_Name,Account_Name,Owner,Created_Time,Modified_Time,Nonsense"
    found = zoho_pages(client, fields=names)
    assert {frozenset(contact) for contact in found} == {frozenset(names.split(",")[:-1]) | {"id"}}
    one = next(contact for contact in found if contact["Account_Name"])
    assert set(one["Owner"]) == {"name", "id", "email"}
    assert set(one["Account_Name"]) == {"name", "id"}
    assert len(one["id"]) == 19
    assert one["Modified_Time"][10] + one["Modified_Time"][19:] == "T-08:00"
    deal = client.get("Deals", params={"fields": "Contact_Name,Amount,Closing_Date,Pipeline,Stage"}).json()["data"][0]
    assert client.get(f"Contacts/{deal['Contact_Name']['id']}").status_code == 200
    assert len(deal["Closing_Date"]) == 10
    assert not [name for name in client.get(f"Deals/{deal['id']}").json()["data"][0] if name.startswith("_")]


def test_page_numbers_end_at_2000_rows(large: httpx.Client) -> None:
    """3.2: page 10 of 200 is the last; past it 400 DISCRETE_PAGINATION_LIMIT_EXCEEDED with this body."""
    asked = {"fields": "Last_Name", "per_page": 200}
    tenth = large.get("Contacts", params=asked | {"page": 10}).json()
    assert (tenth["info"]["count"], tenth["info"]["more_records"]) == (200, True)
    refused = large.get("Contacts", params=asked | {"page": 11})
    assert refused.status_code == 400
    assert refused.json() == {
        "code": "DISCRETE_PAGINATION_LIMIT_EXCEEDED",
        "details": {"limit": 2000},
        "message": "You can only get the first 2000 records without using page_token param",
        "status": "error",
    }
    # from the tenth page on, its token goes further
    further = large.get("Contacts", params=asked | {"page_token": tenth["info"]["next_page_token"]}).json()
    assert further["info"]["page"] == 11


def test_page_tokens_go_to_the_end(large: httpx.Client) -> None:
    """3.2: one may page with tokens from the start; every record once."""
    found = [contact["id"] for contact in zoho_pages(large)]
    assert len(found) == len(set(found)) > 2200
    assert found == sorted(found, reverse=True)
    ascending = zoho_pages(large, sort_by="Modified_Time", sort_order="asc", fields="Modified_Time")
    times = [contact["Modified_Time"] for contact in ascending]
    assert times == sorted(times)
    assert len(times) == len(found)


def test_the_rules_of_page_tokens(sandbox: Sandbox, client: httpx.Client) -> None:
    """3.2: info of v3+; 24 h; not combinable with page; bound to the same query; expired -> 400 EXPIRED_VALUE."""
    asked = {"fields": "Last_Name", "per_page": 10}
    info = client.get("Contacts", params=asked).json()["info"]
    assert set(info) == {
        *("per_page", "count", "page", "sort_by", "sort_order", "more_records", "next_page_token"),
        *("previous_page_token", "page_token_expiry"),
    }
    assert (info["sort_by"], info["sort_order"], info["previous_page_token"]) == ("id", "desc", None)
    token = {"page_token": info["next_page_token"]}
    assert zoho_refusal(client.get("Contacts", params=asked | token | {"page": 2})) == (
        400,
        "AMBIGUITY_DURING_PROCESSING",
    )
    mismatch = (400, "TOKEN_BOUND_DATA_MISMATCH")
    assert zoho_refusal(client.get("Contacts", params=asked | token | {"fields": "Email"})) == mismatch
    assert zoho_refusal(client.get("Deals", params=asked | token)) == mismatch
    second = client.get("Contacts", params=asked | token).json()["info"]
    first = client.get("Contacts", params=asked | {"page_token": second["previous_page_token"]}).json()
    assert (first["info"]["page"], first["data"]) == (1, client.get("Contacts", params=asked).json()["data"])
    sandbox.crm("zoho").clock.advance(86_401)
    assert zoho_refusal(emulated.client(sandbox, CRM).get("Contacts", params=asked | token)) == (400, "EXPIRED_VALUE")


def test_tokens_end_too(sandbox: Sandbox, client: httpx.Client) -> None:
    """Specification v8.0, record: 100,000 records by consecutive tokens, then PAGINATION_LIMIT_EXCEEDED."""
    sandbox.crm("zoho").switches["token_rows"] = 20
    asked = {"fields": "Last_Name", "per_page": 10}
    second = client.get("Contacts", params=asked).json()["info"]["next_page_token"]
    third = client.get("Contacts", params=asked | {"page_token": second}).json()["info"]["next_page_token"]
    refused = client.get("Contacts", params=asked | {"page_token": third})
    assert zoho_refusal(refused) == (400, "PAGINATION_LIMIT_EXCEEDED")


def test_the_last_page_has_no_token(client: httpx.Client) -> None:
    info = client.get("Contacts", params={"fields": "id"}).json()["info"]
    assert (info["more_records"], info["next_page_token"], info["page_token_expiry"]) == (False, None, None)


@pytest.mark.parametrize("wrong", [{"per_page": 201}, {"page": 0}, {"sort_by": "Email"}, {"sort_order": "up"}])
def test_wrong_parameters(client: httpx.Client, wrong: dict[str, Any]) -> None:
    """3.2: per_page at most 200; sort_by one of id, Created_Time, Modified_Time."""
    assert zoho_refusal(client.get("Contacts", params={"fields": "id"} | wrong)) == (400, "INVALID_DATA")


def test_nothing_is_204_without_a_body(client: httpx.Client) -> None:
    """3.2: empty result = HTTP 204 with no body (list, search, deleted)."""
    for path, asked in (
        ("Leads", {"fields": "id"}),
        ("Leads/deleted", {}),
        ("Contacts/search", {"email": "nobody@example.com"}),
        (f"Contacts/{schema.FIRST_NEW}", {}),
    ):
        answered = client.get(path, params=asked)
        assert (answered.status_code, answered.content) == (204, b""), path


@pytest.mark.parametrize("as_http", [False, True])
def test_if_modified_since(sandbox: Sandbox, client: httpx.Client, as_http: bool) -> None:
    """3.2: only rows changed since; none -> 304 without a body; ISO-8601, or RFC-1123 in the wild."""
    times = sorted(contact["Modified_Time"] for contact in zoho_pages(client, fields="Modified_Time"))
    middle = parse_time(times[len(times) // 2])
    iso = iso_seconds(middle)
    header = {"If-Modified-Since": formatdate(middle, usegmt=True) if as_http else iso.replace("Z", "+00:00")}
    found = client.get("Contacts", params={"fields": "Modified_Time"}, headers=header).json()["data"]
    assert sorted(row["Modified_Time"] for row in found) == [time for time in times if parse_time(time) > middle]
    now = {"If-Modified-Since": iso_seconds(sandbox.crm("zoho").clock.now())}
    for path in ("Contacts?fields=id", "users"):
        answered = client.get(path, headers=now)
        assert (answered.status_code, answered.content) == (304, b"")
    assert zoho_refusal(client.get("Contacts?fields=id", headers={"If-Modified-Since": "lately"})) == (
        400,
        "INVALID_DATA",
    )


def test_deleted_records(sandbox: Sandbox, client: httpx.Client) -> None:
    """3.2: /deleted?type=all|recycle|permanent (+If-Modified-Since); sixty days in the recycle bin."""
    crm = sandbox.crm("zoho")
    one, two = (contact["id"] for contact in zoho_pages(client)[:2])
    client.delete(f"Contacts/{one}")
    assert one not in [contact["id"] for contact in zoho_pages(client)]
    body = client.get("Contacts/deleted").json()
    assert set(body["data"][0]) == {"id", "display_name", "type", "deleted_by", "created_by", "deleted_time"}
    assert (body["data"][0]["id"], body["data"][0]["type"]) == (one, "recycle")
    assert client.get("Contacts/deleted", params={"type": "permanent"}).status_code == 204
    crm.clock.advance(61 * 86_400)
    client = emulated.client(sandbox, CRM)
    client.delete(f"Contacts/{two}")
    since = {"If-Modified-Since": iso_seconds(crm.clock.now() - 3600)}
    assert [row["id"] for row in client.get("Contacts/deleted", headers=since).json()["data"]] == [two]
    permanent = client.get("Contacts/deleted", params={"type": "permanent"}).json()["data"]
    assert [(row["id"], row["type"]) for row in permanent] == [(one, "permanent")]
    assert zoho_refusal(client.get("Contacts/deleted", params={"type": "some"})) == (400, "INVALID_DATA")


def test_users_have_their_own_key(client: httpx.Client) -> None:
    """3.2: {users, info}; type=AllUsers|ActiveUsers."""
    body = client.get("users", params={"per_page": 3}).json()
    assert set(body) == {"users", "info"}
    assert (len(body["users"]), body["info"]["more_records"]) == (3, True)
    assert {"id", "full_name", "first_name", "last_name", "email", "status", "zuid", "role", "profile"} <= set(
        body["users"][0]
    )
    everybody = client.get("users", params={"type": "AllUsers"}).json()["users"]
    active = client.get("users", params={"type": "ActiveUsers"}).json()["users"]
    assert [user["id"] for user in active] == [user["id"] for user in everybody if user["status"] == "active"]
    one = active[0]
    assert client.get(f"users/{one['id']}").json() == {"users": [one]}
    assert client.get("users", params={"type": "CurrentUser"}).json()["users"] == [one]


def test_wrong_paths(sandbox: Sandbox, client: httpx.Client) -> None:
    """3.6: 400 INVALID_MODULE with resource_path_index, 403 NO_PERMISSION, 404 INVALID_URL_PATTERN, 405."""
    refused = client.get("Nothing", params={"fields": "id"})
    assert zoho_refusal(refused) == (400, "INVALID_MODULE")
    assert refused.json()["message"] == "the module name given seems to be invalid"
    assert refused.json()["details"] == {"resource_path_index": 0}
    assert zoho_refusal(client.get(f"{MOUNT}/crm/v9/Contacts")) == (404, "INVALID_URL_PATTERN")
    assert zoho_refusal(client.get(f"{MOUNT}/crm/v8/a/b/c/d")) == (404, "INVALID_URL_PATTERN")
    assert zoho_refusal(client.patch("Contacts")) == (405, "METHOD_NOT_ALLOWED")
    assert zoho_refusal(client.get("Contacts/abc")) == (400, "INVALID_DATA")
    sandbox.crm("zoho").switches["forbidden_modules"] = ["Deals"]
    assert zoho_refusal(client.get("Deals", params={"fields": "id"})) == (403, "NO_PERMISSION")


def test_metadata(client: httpx.Client) -> None:
    """What Zoho's SDK reads first."""
    modules = {module["api_name"]: module for module in client.get("settings/modules").json()["modules"]}
    assert set(modules) == set(schema.MODULES)
    assert client.get("settings/modules/Deals").json()["modules"] == [modules["Deals"]]
    fields = client.get("settings/fields", params={"module": "Contacts"}).json()["fields"]
    contact = client.get(f"Contacts/{zoho_pages(client)[0]['id']}").json()["data"][0]
    assert {field["api_name"] for field in fields} == set(contact) - {"$approval_state"}
    assert zoho_refusal(client.get("settings/fields")) == (400, "REQUIRED_PARAM_MISSING")
    assert zoho_refusal(client.get("settings/fields", params={"module": "No"})) == (400, "INVALID_MODULE")
