"""kvCORE, line by line: fact sheet 4.1 to 4.5. No client of it is on PyPI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import emulated
import httpx
import pytest
from emulated import kvcore_rows

from pipelines.sandbox import start
from pipelines.sandbox.crms.kvcore import records
from pipelines.sandbox.inside import HttpxTransport
from pipelines.sandbox.server import Sandbox

CRM, PEOPLE = "kvcore", 80

JSON = {"Content-Type": "application/json"}
ENVELOPE = {
    *(
        "current_page",
        "data",
        "first_page_url",
        "from",
        "last_page",
        "last_page_url",
        "next_page_url",
        "path",
        "per_page",
    ),
    *("prev_page_url", "to", "total"),
}


def ids(found: list[dict[str, Any]]) -> list[int]:
    return [row["id"] for row in found]


def test_over_a_socket(tmp_path: Path) -> None:
    """4.1: prefix /v2/public; the variables of a connection."""
    with start(tmp_path, ["kvcore"], size=10) as running:
        given = running.environment("kvcore")
        assert given["KVCORE_API_BASE_URL"].endswith("/v2/public")
        headers = JSON | {"Authorization": f"Bearer {given['KVCORE_API_TOKEN']}"}
        answered = httpx.get(f"{given['KVCORE_API_BASE_URL']}/contacts", headers=headers)
        assert answered.json()["path"] == f"{given['KVCORE_API_BASE_URL']}/contacts"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}])
def test_401(sandbox: Sandbox, headers: dict[str, str]) -> None:
    """4.5: live 401 body {"errors":["Authentication Failed"]}; no quota headers."""
    with httpx.Client(transport=HttpxTransport(sandbox)) as stranger:
        refused = stranger.get("http://sandbox/kvcore/v2/public/contacts", headers=JSON | headers)
    assert (refused.status_code, refused.json()) == (401, {"errors": ["Authentication Failed"]})
    assert not [name for name in refused.headers if "limit" in name]


def test_a_content_type_is_required_on_every_request(client: httpx.Client) -> None:
    """4.1: Content-Type: application/json, GET included."""
    del client.headers["Content-Type"]
    assert client.get("contacts").status_code == 400
    assert client.get("contacts", headers=JSON).status_code == 200


def test_scopes(sandbox: Sandbox, client: httpx.Client) -> None:
    """4.1: scopes All, Contacts, Users. 4.5: 403."""
    sandbox.crm("kvcore").switches["scope"] = "Contacts"
    assert [client.get(path).status_code for path in ("contacts", "users")] == [200, 403]
    sandbox.crm("kvcore").switches["scope"] = "Users"
    assert [client.get(path).status_code for path in ("contacts", "users")] == [403, 200]


def test_the_envelope() -> None:
    """4.2: page from 1, limit default 100, max 500; Laravel's twelve keys."""
    client = emulated.client(emulated.emulated(CRM, 1200), CRM)
    first = client.get("contacts").json()
    assert set(first) == ENVELOPE
    assert (first["current_page"], first["from"], first["to"], first["per_page"]) == (1, 1, 100, 100)
    assert len(first["data"]) == 100
    assert first["prev_page_url"] is None
    wide = client.get("contacts", params={"limit": 9999}).json()
    assert (wide["per_page"], len(wide["data"])) == (500, 500)
    last = client.get("contacts", params={"page": first["last_page"]}).json()
    assert (last["next_page_url"], last["to"]) == (None, first["total"])
    assert len(kvcore_rows(client)) == len(set(ids(kvcore_rows(client)))) == first["total"]
    beyond = client.get("contacts", params={"page": 99}).json()
    assert (beyond["data"], beyond["from"], beyond["to"]) == ([], None, None)


def test_links_of_the_envelope(sandbox: Sandbox, client: httpx.Client) -> None:
    """UNVERIFIED: Laravel leaves the query out of its links unless told otherwise."""
    query = "limit=5&filter[status][]=0"
    link = client.get(f"contacts?{query}").json()["next_page_url"]
    assert link == "http://sandbox/kvcore/v2/public/contacts?page=2"
    sandbox.crm("kvcore").switches["links_keep_query"] = True
    second = client.get(client.get(f"contacts?{query}").json()["next_page_url"]).json()
    assert {contact["status"] for contact in second["data"]} == {0}
    assert (second["current_page"], second["per_page"]) == (2, 5)


@pytest.mark.parametrize("is_honoured", [False, True])
def test_per_page(sandbox: Sandbox, client: httpx.Client, is_honoured: bool) -> None:
    """4.2: whether per_page is honoured: UNVERIFIED."""
    sandbox.crm("kvcore").switches["honour_per_page"] = is_honoured
    assert client.get("contacts?per_page=7").json()["per_page"] == (7 if is_honoured else 100)


def test_the_keys_of_a_list_and_of_one_record(client: httpx.Client) -> None:
    """4.3: 14 keys seen in lists; a single record is a bare object; the read keys differ from the write keys."""
    listed = kvcore_rows(client)
    assert {frozenset(contact) for contact in listed} == {frozenset(records.LIST_KEYS)}
    one = client.get(f"contact/{listed[0]['id']}").json()
    assert set(records.LIST_KEYS) < set(one)
    assert not {"first_name", "last_name", "deal_type"} & set(one)
    assert {contact["leadtype"] for contact in listed} <= {"buyer", "seller", "buyer,seller", "renter"}


def test_names_may_lack_in_a_list(sandbox: Sandbox, client: httpx.Client) -> None:
    """4.3: names can be empty in the list but filled in the detail record."""
    nameless = [contact for contact in kvcore_rows(client) if contact["id"] % 25 == 0]
    assert {(contact["firstname"], contact["lastname"]) for contact in nameless} == {("", "")}
    assert any(client.get(f"contact/{contact['id']}").json()["lastname"] for contact in nameless)
    sandbox.crm("kvcore").switches["nameless_every"] = 0
    assert any(contact["lastname"] for contact in kvcore_rows(client) if contact["id"] % 25 == 0)


def test_archived_contacts_are_hidden(client: httpx.Client) -> None:
    """4.2: status 6 = Archived and hidden unless includeArchived=1."""
    shown, all_of_them = kvcore_rows(client), kvcore_rows(client, query="includeArchived=1")
    assert 6 not in {contact["status"] for contact in shown}
    assert [contact["status"] for contact in all_of_them].count(6) == len(all_of_them) - len(shown) > 0
    client.put(f"contact/{shown[0]['id']}", json={"status": 6})
    assert shown[0]["id"] not in ids(kvcore_rows(client))
    assert client.get(f"contact/{shown[0]['id']}").status_code == 200


def test_filters_stand_in_brackets(client: httpx.Client) -> None:
    """4.2: the filters; arrays are repeated keys; exact or trailing wildcard."""
    everybody = kvcore_rows(client)
    one = next(c for c in everybody if c["hashtags"] and c["email"] and c["lastname"] and c["source"])
    agent = one["assigned_agent_id"]
    for query, fits in (
        (f"filter[email]={one['email'].upper()}", lambda c: c["email"] == one["email"]),
        (f"filter[email]={one['email'][:3]}*", lambda c: c["email"].startswith(one["email"][:3])),
        (
            f"filter[last_name]={one['lastname'][:2]}*",
            lambda c: c["lastname"][:2].lower() == one["lastname"][:2].lower(),
        ),
        ("filter[status][]=0&filter[status][]=4", lambda c: c["status"] in (0, 4)),
        ("filter[leadtype][]=seller", lambda c: "seller" in c["leadtype"]),
        ("filter[leadtype][]=buyer&filter[leadtype][]=renter", lambda c: c["leadtype"] != "seller"),
        (f"filter[source][]={one['source']}", lambda c: c["source"] == one["source"]),
        (f"filter[hashtags][]={one['hashtags'][0]}", lambda c: one["hashtags"][0] in c["hashtags"]),
        (f"filter[assigned_agent_id]={agent}", lambda c: c["assigned_agent_id"] == agent),
    ):
        named = [c for c in kvcore_rows(client, query=query) if c["id"] % 25]
        assert ids(named) == [c["id"] for c in everybody if c["id"] % 25 and fits(c)], query
        assert named, query


@pytest.mark.parametrize(
    "query", ["status=0", "agent_id=91", "updated_at=9999999999", "email=x@y.z", "filter[phone]=1"]
)
def test_other_parameters_are_silently_ignored(client: httpx.Client, query: str) -> None:
    """4.2: un-bracketed parameters are silently ignored and `total` stays unfiltered; no phone filter."""
    assert client.get(f"contacts?{query}").json()["total"] == client.get("contacts").json()["total"]


def test_times_of_filters_are_unix_seconds(sandbox: Sandbox, client: httpx.Client) -> None:
    """4.2: filter[updated_at] (Unix time, at or after), filter[registered_after], filter[registered_before]."""
    store = sandbox.crm("kvcore").store
    stored = {int(r.id): (r.created, r.modified) for r in store.select("contacts") if r.body["status"] != 6}
    created, modified = stored[max(stored)]
    assert set(ids(kvcore_rows(client, query=f"filter[updated_at]={modified:.0f}"))) == {
        id for id, times in stored.items() if times[1] >= modified
    }
    since = kvcore_rows(client, query=f"filter[registered_after]={created:.0f}&filter[registered_before]={created:.0f}")
    assert max(stored) in ids(since)
    refused = client.get("contacts?filter[updated_at]=2025-01-01T00:00:00Z")
    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["filter.updated_at"])


def test_a_change_is_found_by_its_time(sandbox: Sandbox, client: httpx.Client) -> None:
    """The records bear no time of change; only the filter knows it."""
    crm, one = sandbox.crm("kvcore"), kvcore_rows(client)[0]
    now = int(crm.clock.now())
    assert kvcore_rows(client, query=f"filter[updated_at]={now}") == []
    crm.edit(crm.store.select("contacts", "id = ?", [str(one["id"])])[0], {"lastname": "Newname"})
    assert ids(kvcore_rows(client, query=f"filter[updated_at]={now}")) == [one["id"]]
    assert "updated_at" not in kvcore_rows(client)[0]
    crm.switches["show_updated_at"] = True
    assert "updated_at" in kvcore_rows(client)[0]


def test_singular_and_plural_paths(client: httpx.Client) -> None:
    """4.2: singular paths for one record, plural ones for lists."""
    id = kvcore_rows(client)[0]["id"]
    assert client.get(f"contacts/{id}").status_code == 404
    assert client.get("contact").status_code == 405
    assert client.post("contacts", json={"email": "a@b.co"}).status_code == 405


def test_search_answers_richer_records(client: httpx.Client) -> None:
    """4.2: GET /contacts/search?q= (seen live, not in the catalogue)."""
    one = next(contact for contact in kvcore_rows(client) if contact["email"])
    found = client.get("contacts/search", params={"q": one["email"]}).json()["data"]
    assert client.get(f"contact/{one['id']}").json() in found


def test_phones_may_be_integers(sandbox: Sandbox, client: httpx.Client) -> None:
    """4.3: string in one source, integer in another: UNVERIFIED."""
    sandbox.crm("kvcore").switches["phone_as_integer"] = True
    assert all(isinstance(contact["phone"], int) for contact in kvcore_rows(client))


def test_users_offices_teams_listings(client: httpx.Client) -> None:
    """4.2: the catalogue's lists; /user/{id}."""
    for path in ("users", "offices", "teams", "manuallistings", "transaction/users", "transaction/contacts"):
        assert kvcore_rows(client, path), path
    user = kvcore_rows(client, "users")[0]
    assert client.get(f"user/{user['id']}").json() == user
    assert kvcore_rows(client)[0]["assigned_agent_id"] > records.FIRST_USER


def test_a_list_shifts_when_newest_come_first(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.crm("kvcore").switches["newest_first"] = True
    last = kvcore_rows(client)[-1]
    client.put(f"contact/{last['id']}", json={"last_name": "Moved"})
    assert kvcore_rows(client)[0]["id"] == last["id"]
