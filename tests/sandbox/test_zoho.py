"""Zoho CRM, line by line: fact sheet 3.1 to 3.6, read side. What Zoho's own SDK does is in test_zoho_sdk.py."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import formatdate
from typing import Any

import httpx
import pytest

from pipelines.sandbox.clock import iso_seconds, parse_time
from pipelines.sandbox.crms.zoho import oauth, schema
from pipelines.sandbox.inside import HttpxTransport
from pipelines.sandbox.server import Sandbox, app

REFRESH = {
    "grant_type": "refresh_token", "refresh_token": oauth.REFRESH_TOKEN, "client_id": oauth.CLIENT_ID,
    "client_secret": oauth.CLIENT_SECRET,
}  # fmt: skip
MOUNT = "http://sandbox/zoho"


def connect(sandbox: Sandbox) -> httpx.Client:
    """A client that has logged in."""
    client = httpx.Client(transport=HttpxTransport(sandbox), base_url=f"{MOUNT}/crm/v8")
    token = client.post(f"{MOUNT}/oauth/v2/token", data=REFRESH).json()["access_token"]
    client.headers["Authorization"] = f"Zoho-oauthtoken {token}"
    return client


@pytest.fixture
def sandbox() -> Sandbox:
    return app(None, ["zoho"], size=60)


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[httpx.Client]:
    client = connect(sandbox)
    yield client
    client.close()


@pytest.fixture(scope="module")
def large() -> Iterator[httpx.Client]:
    """A client of an organisation with more than 2,000 contacts, for reading only."""
    client = connect(app(None, ["zoho"], size=3300))
    yield client
    client.close()


def pages(client: httpx.Client, module: str = "Contacts", **given: Any) -> list[dict[str, Any]]:
    """Reads all pages by token."""
    asked, found = {"fields": "id", **given}, list[dict[str, Any]]()
    answered = client.get(module, params=asked)
    while answered.status_code == 200:
        body = answered.json()
        found += body["data"]
        if not body["info"]["more_records"]:
            return found
        answered = client.get(module, params=asked | {"page_token": body["info"]["next_page_token"]})
    assert answered.status_code == 204, answered.text
    return found


def code(answered: httpx.Response) -> tuple[int, str]:
    """Checks the shape of a refusal (3.6) and returns its status and code."""
    assert set(answered.json()) == {"code", "details", "message", "status"}
    assert answered.json()["status"] == "error"
    return answered.status_code, answered.json()["code"]


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
    assert code(refused) == (401, "INVALID_TOKEN")
    assert refused.json()["message"] == "invalid oauth token"
    assert code(client.get("users", headers={"Authorization": ""})) == (401, "AUTHENTICATION_FAILURE")


def test_the_data_centre_says_where_the_api_is(sandbox: Sandbox, client: httpx.Client) -> None:
    """3.1: hosts are bound to a data centre; API host = api_domain from the token response."""
    sandbox.crm("zoho").switches["data_centre"] = "eu"
    domain = client.post(f"{MOUNT}/oauth/v2/token", data=REFRESH).json()["api_domain"]
    assert domain == f"{MOUNT}/eu"
    assert client.get(f"{domain}/crm/v8/users").status_code == 200
    assert code(client.get("users")) == (401, "INVALID_TOKEN")


def test_fields_are_mandatory_from_v3_on(client: httpx.Client) -> None:
    """3.2: missing `fields` -> REQUIRED_PARAM_MISSING with param_name; over 50 -> LIMIT_EXCEEDED; v2 needs none."""
    refused = client.get("Contacts")
    assert code(refused) == (400, "REQUIRED_PARAM_MISSING")
    assert refused.json()["details"] == {"param_name": "fields"}
    assert code(client.get("Contacts", params={"fields": ",".join(f"F{n}" for n in range(51))})) == (
        400,
        "LIMIT_EXCEEDED",
    )
    old = client.get(f"{MOUNT}/crm/v2/Contacts").json()
    assert set(old["info"]) == {"per_page", "count", "page", "more_records"}
    assert {"Last_Name", "Email", "Owner", "Created_Time", "Tag", "$approval_state"} <= set(old["data"][0])


def test_the_fields_of_records(client: httpx.Client) -> None:
    """3.2, the samples: lookups and owners are objects, 19-digit ids, times with an offset and no milliseconds."""
    names = "Last_Name,Account_Name,Owner,Created_Time,Modified_Time,Nonsense"
    found = pages(client, fields=names)
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
    found = [contact["id"] for contact in pages(large)]
    assert len(found) == len(set(found)) > 2200
    assert found == sorted(found, reverse=True)
    ascending = pages(large, sort_by="Modified_Time", sort_order="asc", fields="Modified_Time")
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
    assert code(client.get("Contacts", params=asked | token | {"page": 2})) == (400, "AMBIGUITY_DURING_PROCESSING")
    assert code(client.get("Contacts", params=asked | token | {"fields": "Email"})) == (400, "INVALID_DATA")
    assert code(client.get("Deals", params=asked | token)) == (400, "INVALID_DATA")
    second = client.get("Contacts", params=asked | token).json()["info"]
    first = client.get("Contacts", params=asked | {"page_token": second["previous_page_token"]}).json()
    assert (first["info"]["page"], first["data"]) == (1, client.get("Contacts", params=asked).json()["data"])
    sandbox.crm("zoho").clock.advance(86_401)
    assert code(connect(sandbox).get("Contacts", params=asked | token)) == (400, "EXPIRED_VALUE")


def test_the_last_page_has_no_token(client: httpx.Client) -> None:
    info = client.get("Contacts", params={"fields": "id"}).json()["info"]
    assert (info["more_records"], info["next_page_token"], info["page_token_expiry"]) == (False, None, None)


@pytest.mark.parametrize("wrong", [{"per_page": 201}, {"page": 0}, {"sort_by": "Email"}, {"sort_order": "up"}])
def test_wrong_parameters(client: httpx.Client, wrong: dict[str, Any]) -> None:
    """3.2: per_page at most 200; sort_by one of id, Created_Time, Modified_Time."""
    assert code(client.get("Contacts", params={"fields": "id"} | wrong)) == (400, "INVALID_DATA")


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
    times = sorted(contact["Modified_Time"] for contact in pages(client, fields="Modified_Time"))
    middle = parse_time(times[len(times) // 2])
    iso = iso_seconds(middle)
    header = {"If-Modified-Since": formatdate(middle, usegmt=True) if as_http else iso.replace("Z", "+00:00")}
    found = client.get("Contacts", params={"fields": "Modified_Time"}, headers=header).json()["data"]
    assert sorted(row["Modified_Time"] for row in found) == [time for time in times if parse_time(time) > middle]
    now = {"If-Modified-Since": iso_seconds(sandbox.crm("zoho").clock.now())}
    for path in ("Contacts?fields=id", "users"):
        answered = client.get(path, headers=now)
        assert (answered.status_code, answered.content) == (304, b"")
    assert code(client.get("Contacts?fields=id", headers={"If-Modified-Since": "lately"})) == (400, "INVALID_DATA")


def test_deleted_records(sandbox: Sandbox, client: httpx.Client) -> None:
    """3.2: /deleted?type=all|recycle|permanent (+If-Modified-Since); sixty days in the recycle bin."""
    crm = sandbox.crm("zoho")
    one, two = (contact["id"] for contact in pages(client)[:2])
    client.delete(f"Contacts/{one}")
    assert one not in [contact["id"] for contact in pages(client)]
    body = client.get("Contacts/deleted").json()
    assert set(body["data"][0]) == {"id", "display_name", "type", "deleted_by", "created_by", "deleted_time"}
    assert (body["data"][0]["id"], body["data"][0]["type"]) == (one, "recycle")
    assert client.get("Contacts/deleted", params={"type": "permanent"}).status_code == 204
    crm.clock.advance(61 * 86_400)
    client = connect(sandbox)
    client.delete(f"Contacts/{two}")
    since = {"If-Modified-Since": iso_seconds(crm.clock.now() - 3600)}
    assert [row["id"] for row in client.get("Contacts/deleted", headers=since).json()["data"]] == [two]
    permanent = client.get("Contacts/deleted", params={"type": "permanent"}).json()["data"]
    assert [(row["id"], row["type"]) for row in permanent] == [(one, "permanent")]
    assert code(client.get("Contacts/deleted", params={"type": "some"})) == (400, "INVALID_DATA")


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


def test_search(sandbox: Sandbox, client: httpx.Client) -> None:
    """3.2: /search?criteria=(Email:equals:a@b.c)|email=|phone=|word=."""
    everybody = pages(client, fields="Last_Name,Email,Rating,Mobile,Owner,Modified_Time")
    one = next(contact for contact in everybody if contact["Email"] and contact["Mobile"] and contact["Rating"])
    owner, cut = one["Owner"]["id"], one["Modified_Time"]
    for asked, fits in (
        ({"email": one["Email"].upper()}, lambda c: c["Email"] == one["Email"]),
        ({"criteria": f"(Email:equals:{one['Email']})"}, lambda c: c["Email"] == one["Email"]),
        ({"criteria": f"Last_Name:starts_with:{one['Last_Name'][:2]}"},
         lambda c: c["Last_Name"].lower().startswith(one["Last_Name"][:2].lower())),
        ({"criteria": "((Rating:greater_than:2)and(Rating:less_equal:4))"}, lambda c: 2 < (c["Rating"] or 0) <= 4),
        ({"criteria": "((Rating:in:1,5)or(Rating:equals:3))"}, lambda c: c["Rating"] in (1, 3, 5)),
        ({"criteria": "(Rating:between:2,3)"}, lambda c: c["Rating"] in (2, 3)),
        ({"criteria": f"(Owner:equals:{owner})"}, lambda c: c["Owner"]["id"] == owner),
        ({"criteria": f"(Modified_Time:greater_equal:{cut})"}, lambda c: c["Modified_Time"] >= cut),
    ):  # fmt: skip
        answered = client.get("Contacts/search", params=asked | {"fields": "id"})
        found = {row["id"] for row in answered.json()["data"]}
        assert found == {contact["id"] for contact in everybody if fits(contact)}, asked
    digits = "".join(letter for letter in one["Mobile"] if letter.isdigit())
    assert one["id"] in [row["id"] for row in client.get("Contacts/search", params={"phone": digits}).json()["data"]]
    sandbox.crm("zoho").switches["search_lag"] = 20 * 365 * 86_400
    assert client.get("Contacts/search", params={"email": one["Email"]}).status_code == 204


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [({}, "REQUIRED_PARAM_MISSING"), ({"criteria": "(Email:equals:a"}, "INVALID_QUERY"),
     ({"criteria": "(Nope:equals:a)"}, "INVALID_QUERY"), ({"criteria": "(Email:sounds_like:a)"}, "INVALID_QUERY"),
     ({"criteria": "(Rating:equals:many)"}, "INVALID_DATA"), ({"criteria": "(Email:equals:a)b"}, "INVALID_QUERY")],
)  # fmt: skip
def test_wrong_searches(client: httpx.Client, asked: dict[str, str], refusal: str) -> None:
    assert code(client.get("Contacts/search", params=asked)) == (400, refusal)


def test_values_of_criteria_are_escaped(client: httpx.Client) -> None:
    name = 'O\'Hara (Jr.), \\ "x"'
    client.post("Contacts", json={"data": [{"Last_Name": name}]})
    escaped = name.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)").replace(",", "\\,")
    found = client.get("Contacts/search", params={"criteria": f"(Last_Name:equals:{escaped})"}).json()["data"]
    assert [contact["Last_Name"] for contact in found] == [name]


def query(client: httpx.Client, text: str) -> httpx.Response:
    return client.post("coql", json={"select_query": text})


def test_coql(client: httpx.Client) -> None:
    """3.2: select ... from ... where ... order by ... limit 0, 200; 204 where nothing fits."""
    deals = pages(client, "Deals", fields="Deal_Name,Amount,Stage,Contact_Name,Modified_Time")
    early, selected = ("Offer", "Showing"), "select Deal_Name, Contact_Name.id from Deals"
    for where, fits in (
        ("Amount > 500000 and Stage != 'Offer'", lambda d: (d["Amount"] or 0) > 5e5 and d["Stage"] != "Offer"),
        ("(Stage in ('Offer', 'Showing') or Amount is null)", lambda d: d["Stage"] in early or not d["Amount"]),
        ("Amount between 200000 and 900000", lambda d: 2e5 <= (d["Amount"] or 0) <= 9e5),
        ("Stage like 'closed%'", lambda d: d["Stage"].startswith("Closed")),
        ("Stage not in ('Closed Won')", lambda d: d["Stage"] != "Closed Won"),
        ("Modified_Time >= '2025-06-01T00:00:00+00:00'", lambda d: parse_time(d["Modified_Time"]) >= 1_748_736_000),
    ):
        answered = query(client, f"{selected} where {where} order by id desc limit 0, 200")
        wanted = [
            {"Deal_Name": deal["Deal_Name"], "Contact_Name.id": deal["Contact_Name"]["id"], "id": deal["id"]}
            for deal in deals
            if fits(deal)
        ]
        assert wanted
        assert answered.json()["data"] == wanted, where
    assert query(client, "select id from Deals where Amount < 0").status_code == 204
    two = query(client, "select id from Deals where id is not null order by id desc limit 2, 2").json()
    assert [row["id"] for row in two["data"]] == [deal["id"] for deal in deals[2:4]]
    assert two["info"] == {"count": 2, "more_records": True}


@pytest.mark.parametrize(
    ("text", "refusal"),
    [("select from Deals", "SYNTAX_ERROR"), ("select id from Nowhere", "INVALID_QUERY"),
     ("select Nothing from Deals", "INVALID_QUERY"), ("select id from Deals where Amount = 'x'", "INVALID_QUERY"),
     ("select id from Deals limit 0, 3000", "LIMIT_EXCEEDED"), ("select id from Deals having x", "SYNTAX_ERROR"),
     ("select id from Deals where (id is null", "SYNTAX_ERROR"), ("select ' from Deals", "SYNTAX_ERROR")],
)  # fmt: skip
def test_wrong_queries(client: httpx.Client, text: str, refusal: str) -> None:
    assert code(query(client, text)) == (400, refusal)


def test_wrong_paths(sandbox: Sandbox, client: httpx.Client) -> None:
    """3.6: 400 INVALID_MODULE with resource_path_index, 403 NO_PERMISSION, 404 INVALID_URL_PATTERN, 405."""
    refused = client.get("Nothing", params={"fields": "id"})
    assert code(refused) == (400, "INVALID_MODULE")
    assert refused.json()["message"] == "the module name given seems to be invalid"
    assert refused.json()["details"] == {"resource_path_index": 0}
    assert code(client.get(f"{MOUNT}/crm/v9/Contacts")) == (404, "INVALID_URL_PATTERN")
    assert code(client.get(f"{MOUNT}/crm/v8/a/b/c/d")) == (404, "INVALID_URL_PATTERN")
    assert code(client.patch("Contacts")) == (405, "METHOD_NOT_ALLOWED")
    assert code(client.get("Contacts/abc")) == (400, "INVALID_DATA")
    sandbox.crm("zoho").switches["forbidden_modules"] = ["Deals"]
    assert code(client.get("Deals", params={"fields": "id"})) == (403, "NO_PERMISSION")


def test_metadata(client: httpx.Client) -> None:
    """What Zoho's SDK reads first."""
    modules = {module["api_name"]: module for module in client.get("settings/modules").json()["modules"]}
    assert set(modules) == set(schema.MODULES)
    assert client.get("settings/modules/Deals").json()["modules"] == [modules["Deals"]]
    fields = client.get("settings/fields", params={"module": "Contacts"}).json()["fields"]
    contact = client.get(f"Contacts/{pages(client)[0]['id']}").json()["data"][0]
    assert {field["api_name"] for field in fields} == set(contact) - {"$approval_state"}
    assert code(client.get("settings/fields")) == (400, "REQUIRED_PARAM_MISSING")
    assert code(client.get("settings/fields", params={"module": "No"})) == (400, "INVALID_MODULE")


def test_credits(sandbox: Sandbox, client: httpx.Client) -> None:
    """3.4: X-API-CREDITS-REMAINING only from 50 %; writes 1 for 10 rows; 429 TOO_MANY_REQUESTS, no Retry-After."""
    crm = sandbox.crm("zoho")
    crm.switches["credits"], crm.is_limited = 8, True
    headers = [client.get("users").headers for _ in range(4)]
    assert [answered.get("X-API-CREDITS-REMAINING") for answered in headers] == [None, None, None, "4"]
    eleven = {"data": [{"Last_Name": f"N{n}"} for n in range(11)]}
    assert client.post("Contacts", json=eleven).headers["X-API-CREDITS-REMAINING"] == "2"
    refused = client.get("Contacts", params={"fields": "id", "cvid": "1"})
    assert code(refused) == (429, "TOO_MANY_REQUESTS")
    assert not [name for name in refused.headers if name.startswith("x-ratelimit") or name == "retry-after"]
    crm.clock.advance(86_401)
    assert connect(sandbox).get("users").status_code == 200
