"""HubSpot's own Python client against the sandbox, over loopback: reading, writing, searching, batches, links."""

from __future__ import annotations

import pytest
from hubspot import HubSpot
from hubspot.crm import associations, contacts, deals, objects, properties
from hubspot.crm.associations import v4
from hubspot.crm.contacts import exceptions as refused
from hubspot.oauth.exceptions import ApiException as OauthException

from pipelines.sandbox import SandboxHandle

CRM, PEOPLE = "hubspot", 120


@pytest.fixture
def client(running: SandboxHandle) -> HubSpot:
    running.admin("POST", "reset", {"crm": "hubspot"})
    return HubSpot(access_token=running.environment("hubspot")["HUBSPOT_ACCESS_TOKEN"], host=running.address)


def held(running: SandboxHandle, entity: str) -> dict[str, dict[str, str | None]]:
    """Returns what the sandbox says it holds, by id."""
    records = running.admin("GET", f"hubspot/records?entity={entity}")
    return {record["id"]: record["body"] for record in records}


def test_it_reads_every_page(client: HubSpot, running: SandboxHandle) -> None:
    """The client's own loop ends where `paging` is absent."""
    read = client.crm.contacts.get_all(properties=["email", "phone"], associations=["deals"])
    there = held(running, "contacts")
    assert {record.id: record.properties["email"] for record in read} == {id: b["email"] for id, b in there.items()}
    assert any(record.associations for record in read)
    for entity, api in (("deals", client.crm.deals), ("companies", client.crm.companies)):
        assert {record.id for record in api.get_all()} == set(held(running, entity))
    listings = client.crm.objects.get_all("0-420", properties=["hs_price"])
    assert {record.id for record in listings} == set(held(running, "listings"))


def test_it_reads_owners_pipelines_and_properties(client: HubSpot) -> None:
    owners = client.crm.owners.get_all()
    gone = client.crm.owners.owners_api.get_page(archived=True).results
    assert owners
    assert not {owner.id for owner in owners} & {owner.id for owner in gone}
    assert client.crm.owners.owners_api.get_by_id(int(owners[0].id)).email == owners[0].email
    pipeline = client.crm.pipelines.pipelines_api.get_all("deals").results[0]
    assert (pipeline.id, pipeline.stages[0].metadata["isClosed"]) == ("default", "false")
    described = {each.name: each for each in client.crm.properties.core_api.get_all("contacts").results}
    assert described["email"].has_unique_value
    assert described["lifecyclestage"].type == "enumeration"


def test_it_adds_a_custom_property_and_uses_it(client: HubSpot) -> None:
    made = properties.PropertyCreate(
        name="shoe_size", label="Shoe size", type="number", field_type="number", group_name="contactinformation"
    )
    assert client.crm.properties.core_api.create("contacts", made).name == "shoe_size"
    record = client.crm.contacts.basic_api.create({"properties": {"firstname": "Ada", "shoe_size": "38"}})
    assert record.properties["shoe_size"] == "38"


def test_it_creates_updates_archives_one(client: HubSpot) -> None:
    api = client.crm.contacts.basic_api
    made = api.create(
        contacts.SimplePublicObjectInputForCreate(
            properties={"email": "ada@example.com", "firstname": "Ada"}, associations=[]
        )
    )
    changed = api.update(made.id, contacts.SimplePublicObjectInput(properties={"phone": "+1 253 201 4567"}))
    assert changed.properties["phone"] == "+1 253 201 4567"
    assert api.get_by_id("ada@example.com", id_property="email").id == made.id
    with pytest.raises(refused.ApiException) as taken:
        api.create({"properties": {"email": "ada@example.com"}})
    assert taken.value.status == 409
    api.archive(made.id)
    with pytest.raises(refused.ApiException) as gone:
        api.get_by_id(made.id)
    assert gone.value.status == 404
    assert made.id in [record.id for record in api.get_page(archived=True, limit=100).results]


def test_it_searches(client: HubSpot, running: SandboxHandle) -> None:
    since = "2025-06-01T00:00:00Z"
    request = contacts.PublicObjectSearchRequest(
        filter_groups=[{"filters": [{"propertyName": "lastmodifieddate", "operator": "GTE", "value": since}]}],
        sorts=[{"propertyName": "lastmodifieddate", "direction": "ASCENDING"}],
        properties=["email", "lastmodifieddate"], limit=200,
    )  # fmt: skip
    found = client.crm.contacts.search_api.do_search(request)
    expected = [
        b["lastmodifieddate"] for b in held(running, "contacts").values() if str(b["lastmodifieddate"]) >= since
    ]
    assert [record.properties["lastmodifieddate"] for record in found.results] == sorted(map(str, expected))
    assert found.total == len(expected) > 0
    by_type = client.crm.objects.search_api.do_search(
        "0-420", objects.PublicObjectSearchRequest(limit=1, after="1", filter_groups=[], properties=[], sorts=[])
    )
    assert by_type.paging.next.after == "2"


def test_it_writes_batches_with_an_outcome_for_each(client: HubSpot, running: SandboxHandle) -> None:
    api = client.crm.contacts.batch_api
    taken_id, taken = next((id, b["email"]) for id, b in held(running, "contacts").items() if b["email"])
    made = api.create({"inputs": [
        {"properties": {"email": taken}, "objectWriteTraceId": "0"},
        {"properties": {"email": "new@example.com"}, "objectWriteTraceId": "1"},
    ]})  # fmt: skip
    assert isinstance(made, contacts.BatchResponseSimplePublicObjectWithErrors)
    assert (made.num_errors, made.errors[0].context["existingId"]) == (1, [taken_id])
    new_id = made.results[0].id
    updated = api.update({"inputs": [{"id": new_id, "properties": {"city": "Tacoma"}}, {"id": "1", "properties": {}}]})
    assert (updated.results[0].id, updated.errors[0].category) == (new_id, "OBJECT_NOT_FOUND")
    upserted = api.upsert({"inputs": [
        {"id": "new@example.com", "idProperty": "email", "properties": {"zip": "98101"}},
        {"id": "other@example.com", "idProperty": "email", "properties": {"zip": "98102"}},
    ]})  # fmt: skip
    assert [record.new for record in upserted.results] == [False, True]
    read = api.read({"inputs": [{"id": new_id}], "properties": ["city", "zip"], "propertiesWithHistory": []})
    assert (read.results[0].properties["city"], read.results[0].properties["zip"]) == ("Tacoma", "98101")
    api.archive(contacts.BatchInputSimplePublicObjectId(inputs=[{"id": new_id}]))
    assert new_id not in held(running, "contacts")


def test_it_associates(client: HubSpot) -> None:
    contact = client.crm.contacts.basic_api.create({"properties": {"firstname": "Ada"}}).id
    deal = client.crm.deals.basic_api.create(
        deals.SimplePublicObjectInputForCreate(properties={"dealname": "Elm St"}, associations=[])
    ).id
    api, batches = client.crm.associations.v4.basic_api, client.crm.associations.v4.batch_api
    made = api.create("deals", deal, "contacts", contact,
                      [v4.AssociationSpec(association_category="USER_DEFINED", association_type_id=102)])  # fmt: skip
    assert made.labels == ["Client"]
    there = api.get_page("contacts", contact, "deals").results
    assert [(each.to_object_id, {spec.type_id for spec in each.association_types}) for each in there] == [
        (deal, {4, 101})
    ]
    api.archive("deals", deal, "contacts", contact)
    assert api.get_page("contacts", contact, "deals").results == []
    default = api.create_default("deals", deal, "contacts", contact)
    assert {each.association_spec.association_type_id for each in default.results} == {3, 4}
    read = batches.get_page("deals", "contacts", {"inputs": [{"id": deal}, {"id": "1"}]})
    assert [each.to[0].to_object_id for each in read.results] == [contact]
    assert read.errors[0].sub_category == "crm.associations.NO_ASSOCIATIONS_FOUND"
    row = {"from": {"id": deal}, "to": {"id": contact}}
    spec = {"associationCategory": "USER_DEFINED", "associationTypeId": 104}
    assert batches.create("deals", "contacts", {"inputs": [row | {"types": [spec]}]}).results[0].labels == ["Partner"]
    older = client.crm.associations.batch_api.create(
        "contacts", "deals",
        associations.BatchInputPublicAssociation(inputs=[
            {"from": {"id": contact}, "to": {"id": deal}, "type": "contact_to_deal"}]),
    )  # fmt: skip
    assert [each.type for each in older.results] == ["contact_to_deal", "deal_to_contact"]


def test_it_merges_and_erases(client: HubSpot) -> None:
    api = client.crm.contacts.basic_api
    keep, lose = (api.create({"properties": {"firstname": name}}).id for name in ("Ada", "Adah"))
    assert api.merge(contacts.PublicMergeInput(primary_object_id=keep, object_id_to_merge=lose)).id == keep
    assert api.get_by_id(lose).id == keep
    api.purge(contacts.PublicGdprDeleteInput(object_id=keep))
    with pytest.raises(refused.ApiException):
        api.get_by_id(keep)


def test_it_refreshes_a_token(running: SandboxHandle) -> None:
    """The v1 endpoint of the client's `oauth.tokens_api`; a refused grant is 400."""
    given = running.environment("hubspot")
    api = HubSpot(host=running.address).oauth.tokens_api
    asked = {
        "grant_type": "refresh_token", "client_id": given["HUBSPOT_CLIENT_ID"],
        "client_secret": given["HUBSPOT_CLIENT_SECRET"], "refresh_token": given["HUBSPOT_REFRESH_TOKEN"],
    }  # fmt: skip
    token = api.create(**asked)
    assert (token.expires_in, token.token_type) == (1800, "bearer")
    client = HubSpot(access_token=token.access_token, host=running.address)
    assert client.crm.contacts.basic_api.get_page(limit=1).results
    with pytest.raises(OauthException) as bad:
        api.create(**asked | {"refresh_token": "no"})
    assert bad.value.status == 400
