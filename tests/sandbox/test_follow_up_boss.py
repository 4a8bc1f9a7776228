"""Follow Up Boss, line by line: fact sheet 4.1 to 4.6."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import emulated
import httpx
import pytest

from pipelines.sandbox.clock import iso_seconds, parse_time
from pipelines.sandbox.crms.follow_up_boss import Emulator, schema
from pipelines.sandbox.server import Sandbox

CRM, PEOPLE = "follow_up_boss", 60

SYSTEM = {"X-System": Emulator.system, "X-System-Key": Emulator.system_key}


def everything(client: httpx.Client, path: str, **params: Any) -> list[dict[str, Any]]:
    """Follows the cursor to the end."""
    found: list[dict[str, Any]] = []
    page = client.get(path, params={"limit": 100, **params}).raise_for_status().json()
    while True:
        found += page[path]
        if not page["_metadata"]["next"]:
            return found
        page = client.get(page["_metadata"]["nextLink"]).raise_for_status().json()


def test_the_variables_of_a_connection(sandbox: Sandbox) -> None:
    environment = sandbox.crm("follow_up_boss").environment("http://x/follow_up_boss")
    assert environment["FOLLOW_UP_BOSS_API_BASE_URL"] == "http://x/follow_up_boss/v1"
    assert {name.removeprefix("FOLLOW_UP_BOSS_") for name in environment} == {
        *("API_BASE_URL", "API_KEY", "SYSTEM", "SYSTEM_KEY")
    }


@pytest.mark.parametrize("password", ["", "anything"])
def test_basic_with_the_key_as_user_name(client: httpx.Client, password: str) -> None:
    """4.1: username = API key, password blank (any value ok)."""
    assert client.get("people", auth=(Emulator.api_key, password)).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic !"}, {"Authorization": "Bearer x"}])
def test_401_has_no_rate_limit_headers(stranger: httpx.Client, headers: dict[str, str]) -> None:
    """4.4: 401 replies have none of the X-RateLimit headers. 4.6: {"errorMessage"}."""
    refused = stranger.get("people", headers=headers)
    assert (refused.status_code, list(refused.json())) == (401, ["errorMessage"])
    assert not [name for name in refused.headers if name.startswith("x-ratelimit")]


def test_an_agents_key_sees_his_own_people(sandbox: Sandbox, client: httpx.Client) -> None:
    """4.1: the key has its user's permissions."""
    with closing(emulated.client(sandbox, CRM)) as agent:
        agent.auth = httpx.BasicAuth(Emulator.agent_key, "")
        mine = everything(agent, "people")
        assert {person["assignedUserId"] for person in mine} == {agent.get("me").json()["id"]}
        other = next(p for p in everything(client, "people") if p["assignedUserId"] != mine[0]["assignedUserId"])
        assert agent.get(f"people/{other['id']}").status_code == 404


def test_identity_and_me(client: httpx.Client) -> None:
    """4.1: identity is account and user; headers FUB-Account-ID and FUB-User-ID."""
    answered = client.get("identity")
    body = answered.json()
    assert body["user"]["isOwner"] is True
    assert set(body["account"]) == {"id", "domain", "name", "owner"}
    assert answered.headers["FUB-Account-ID"] == str(body["account"]["id"])
    assert answered.headers["FUB-User-ID"] == str(client.get("me").json()["id"])


def test_a_lapsed_account_takes_events_only(sandbox: Sandbox, client: httpx.Client) -> None:
    """4.1: most calls 403, POST /events still taken."""
    sandbox.crm("follow_up_boss").switches["lapsed"] = True
    assert client.get("people").status_code == 403
    lead = {"type": "Registration", "person": {"emails": [{"value": "late@example.com"}]}}
    assert client.post("events", json=lead).status_code == 201


def test_the_envelope(client: httpx.Client) -> None:
    """4.2: default limit 10, key = name of the collection, next is opaque, nextLink goes on."""
    for name in ("people", "deals", "users", "events", "stages", "pipelines", "customFields", "dealCustomFields"):
        body = client.get(name).json()
        meta = body["_metadata"]
        assert (meta["collection"], set(body)) == (name, {"_metadata", name})
        assert set(meta) == {"collection", "offset", "limit", "total", "next", "nextLink"}
    first = client.get("people").json()
    assert len(first["people"]) == first["_metadata"]["limit"] == 10
    second = client.get("people", params={"next": first["_metadata"]["next"]}).json()
    assert second == client.get(first["_metadata"]["nextLink"]).json()
    assert second["_metadata"]["offset"] == 10
    assert len(client.get("people", params={"limit": 500}).json()["people"]) <= 100


def test_the_cursor_holds_while_people_come_and_go(client: httpx.Client) -> None:
    """A cursor is a place, not a number: what was there all the time comes exactly once."""
    before = {p["id"] for p in everything(client, "people")}
    page = client.get("people").json()
    seen = [p["id"] for p in page["people"]]
    client.delete(f"people/{seen[0]}")
    client.post("people", json={"name": "New Comer"})
    while page["_metadata"]["next"]:
        page = client.get(page["_metadata"]["nextLink"]).json()
        seen += [p["id"] for p in page["people"]]
    assert sorted(seen) == sorted(before)


def test_a_wrong_cursor_is_refused(client: httpx.Client) -> None:
    token = client.get("people").json()["_metadata"]["next"]
    assert client.get("people", params={"next": token, "sort": "name"}).status_code == 400
    assert client.get("people", params={"next": "nonsense"}).status_code == 400


def test_deep_offsets(client: httpx.Client) -> None:
    """4.2: at offset >= 2000 -> 400 with this text."""
    assert client.get("people", params={"offset": 1999}).status_code == 200
    refused = client.get("people", params={"offset": 2000})
    assert refused.status_code == 400
    assert refused.json() == {"errorMessage": "Deep pagination disabled, use 'nextLink' url"}


def test_sorting(client: httpx.Client) -> None:
    """4.2: `-field` = desc; people newest first where nothing is said."""
    ids = [p["id"] for p in everything(client, "people")]
    assert ids == sorted(ids, reverse=True)
    updated = [p["updated"] for p in everything(client, "people", sort="updated", limit=7)]
    assert updated == sorted(updated)
    prices = [d["price"] or 0 for d in everything(client, "deals", sort="-price") if d["price"]]
    assert prices == sorted(prices, reverse=True)
    assert client.get("people", params={"sort": "1 desc"}).status_code == 400


def test_fields(client: httpx.Client) -> None:
    """4.2: custom fields come only with `allFields` or when named."""
    plain = client.get("people").json()["people"][0]
    assert not [name for name in plain if name.startswith("custom")]
    whole = client.get(f"people/{plain['id']}", params={"fields": "allFields"}).json()
    assert {custom["name"] for custom in client.get("customFields").json()["customFields"]} <= set(whole)
    some = client.get(f"people/{plain['id']}", params={"fields": "name,customRating"}).json()
    assert set(some) == {"id", "name", "customRating"}


def test_the_fields_of_a_person(client: httpx.Client) -> None:
    """4.2, the sample record; dates are UTC without milliseconds (4.3)."""
    person = next(p for p in everything(client, "people") if p["emails"] and p["phones"] and p["addresses"])
    assert set(person) == {
        *(
            "id",
            "created",
            "updated",
            "createdVia",
            "lastActivity",
            "name",
            "firstName",
            "lastName",
            "stage",
            "stageId",
        ),
        *("source", "sourceUrl", "contacted", "price", "assignedTo", "assignedUserId", "assignedLenderId", "tags"),
        *("emails", "phones", "addresses"),
    }
    assert isinstance(person["id"], int)
    assert person["updated"] == iso_seconds(parse_time(person["updated"]))
    assert set(person["emails"][0]) == {"value", "type", "status", "isPrimary"}
    assert set(person["phones"][0]) == {"value", "type", "status", "isPrimary", "normalized"}
    assert set(person["addresses"][0]) == {"type", "street", "city", "state", "code", "country"}


def test_filters_of_people(client: httpx.Client) -> None:
    """4.2: email, phone, name, stage, source, assignedUserId, tags, ids, created and updated, custom fields."""
    people = everything(client, "people", fields="allFields")
    one = next(p for p in people if p["emails"] and p["phones"] and p["phones"][0]["normalized"] and p["tags"])
    digits = one["phones"][0]["normalized"]
    for params, fits in (
        ({"email": one["emails"][0]["value"].upper()}, lambda p: one["emails"][0]["value"] in values(p, "emails")),
        ({"phone": f"+1 {digits}"}, lambda p: digits in [row["normalized"] for row in p["phones"]]),
        ({"name": one["lastName"][:4].upper()}, lambda p: one["lastName"][:4].lower() in p["name"].lower()),
        ({"stage": one["stage"]}, lambda p: p["stage"] == one["stage"]),
        ({"source": one["source"]}, lambda p: p["source"] == one["source"]),
        ({"assignedUserId": one["assignedUserId"]}, lambda p: p["assignedUserId"] == one["assignedUserId"]),
        ({"tags": one["tags"][0]}, lambda p: one["tags"][0] in p["tags"]),
        ({"ids": f"{one['id']},{people[0]['id']}"}, lambda p: p["id"] in (one["id"], people[0]["id"])),
        ({"idGreaterThan": one["id"]}, lambda p: p["id"] > one["id"]),
        ({"idLessThan": one["id"]}, lambda p: p["id"] < one["id"]),
        ({"updatedAfter": one["updated"]}, lambda p: p["updated"] > one["updated"]),
        ({"updatedBefore": one["updated"]}, lambda p: p["updated"] < one["updated"]),
        ({"createdAfter": one["created"]}, lambda p: p["created"] > one["created"]),
        ({"createdBefore": one["created"]}, lambda p: p["created"] < one["created"]),
        ({"lastActivityAfter": one["lastActivity"]}, lambda p: p["lastActivity"] > one["lastActivity"]),
        ({"customLookingFor": one["customLookingFor"]}, lambda p: p["customLookingFor"] == one["customLookingFor"]),
    ):
        found = [p["id"] for p in everything(client, "people", **params)]
        assert found == [p["id"] for p in people if fits(p)], params
    assert client.get("people", params={"updatedAfter": "yesterday"}).status_code == 400


def values(person: dict[str, Any], name: str) -> list[str]:
    return [row["value"] for row in person[name]]


def test_trash(client: httpx.Client) -> None:
    """4.2: deleting a person moves it to the stage Trash; includeTrash=1 shows it; no tombstones."""
    person = client.get("people").json()["people"][0]
    total = client.get("people").json()["_metadata"]["total"]
    with_trash = client.get("people", params={"includeTrash": 1}).json()["_metadata"]["total"]
    assert with_trash > total
    gone = client.delete(f"people/{person['id']}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert person["id"] not in [p["id"] for p in everything(client, "people")]
    kept = next(p for p in everything(client, "people", includeTrash=1) if p["id"] == person["id"])
    assert (kept["stage"], kept["updated"] > person["updated"]) == ("Trash", True)
    assert client.get(f"people/{person['id']}").json()["stage"] == "Trash"


def test_deals_hide_archived_and_deleted_ones(client: httpx.Client) -> None:
    """4.2: status=Active|Archived|Deleted, includeArchived=1, includeDeleted=1."""
    active = everything(client, "deals")
    assert {deal["status"] for deal in active} == {"Active"}
    archived = everything(client, "deals", status="Archived")
    assert {deal["stageName"] for deal in archived} == {"Lost"}
    assert len(everything(client, "deals", includeArchived=1)) == len(active) + len(archived)
    assert client.delete(f"deals/{active[0]['id']}").status_code == 204
    assert len(everything(client, "deals")) == len(active) - 1
    assert len(everything(client, "deals", includeDeleted=1)) == len(active)
    assert [d["id"] for d in everything(client, "deals", status="Deleted")] == [active[0]["id"]]


def test_filters_and_fields_of_deals(sandbox: Sandbox, client: httpx.Client) -> None:
    """4.2: personId, pipelineId, stageId, userId, name; people and users are {id, name}."""
    deals = everything(client, "deals", includeArchived=1)
    one = next(deal for deal in deals if len(deal["people"]) > 1)
    assert set(one["people"][0]) == set(one["users"][0]) == {"id", "name"}
    for params, fits in (
        ({"personId": one["people"][1]["id"]}, lambda d: one["people"][1] in d["people"]),
        ({"userId": one["users"][0]["id"]}, lambda d: one["users"][0] in d["users"]),
        ({"pipelineId": one["pipelineId"]}, lambda d: d["pipelineId"] == one["pipelineId"]),
        ({"stageId": one["stageId"]}, lambda d: d["stageId"] == one["stageId"]),
        ({"name": one["name"]}, lambda d: d["name"] == one["name"]),
        ({"updatedAfter": one["updatedAt"]}, lambda d: d["updatedAt"] > one["updatedAt"]),
    ):
        found = everything(client, "deals", includeArchived=1, **params)
        assert [d["id"] for d in found] == [d["id"] for d in deals if fits(d)], params
    sandbox.crm("follow_up_boss").switches["deals_updated_filter"] = False
    assert len(everything(client, "deals", includeArchived=1, updatedAfter="2031-01-01T00:00:00Z")) == len(deals)


@pytest.mark.parametrize(("switch", "names"), [("created", {"updated"}), ("both", {"updated", "updatedAt"})])
def test_the_times_of_deals_are_not_known(sandbox: Sandbox, client: httpx.Client, switch: str, names: set[str]) -> None:
    """4.2: created/updated key names UNVERIFIED (some clients read `createdAt`, others `created`)."""
    sandbox.crm("follow_up_boss").switches["deal_times"] = switch
    made = client.post("deals", json={"name": "D", "stageId": 11}).json()
    assert {"updated", "updatedAt"} & set(made) == names


def test_users_pipelines_stages(client: httpx.Client) -> None:
    """4.2: users by includeDeleted; pipelines with stages[]; stages of people."""
    users = everything(client, "users")
    gone = [u for u in everything(client, "users", includeDeleted=1) if u["status"] == "Deleted"]
    assert not {u["id"] for u in gone} & {u["id"] for u in users}
    assert everything(client, "users", email=users[0]["email"]) == [users[0]]
    assert client.get(f"users/{users[0]['id']}").json() == users[0]
    pipelines = client.get("pipelines").json()["pipelines"]
    deal = client.get("deals").json()["deals"][0]
    stages = {stage["id"]: stage["name"] for p in pipelines if p["id"] == deal["pipelineId"] for stage in p["stages"]}
    assert stages[deal["stageId"]] == deal["stageName"]
    assert {p["stage"] for p in everything(client, "people", includeTrash=1)} <= {
        stage["name"] for stage in client.get("stages").json()["stages"]
    }


def test_a_property_lives_inside_events(client: httpx.Client) -> None:
    """4.2: no endpoint of properties; a `property` object lives inside events."""
    assert client.get("properties").status_code == 404
    event = client.get("events").json()["events"][0]
    assert set(event["property"]) == set(schema.PROPERTY_WRITE)
    assert client.get(f"people/{event['personId']}").status_code == 200
