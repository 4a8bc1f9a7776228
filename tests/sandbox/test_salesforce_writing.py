"""Salesforce's writing side, line by line as the fact sheet has it (2.3, 2.6)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from pipelines.sandbox.server import Sandbox

CRM, PEOPLE = "salesforce", 60

DATA = "/services/data/v60.0"
CONTACT, ROWS = f"{DATA}/sobjects/Contact", f"{DATA}/composite/sobjects"


def create(client: httpx.Client, kind: str = "Contact", **fields: Any) -> str:
    return str(client.post(f"{DATA}/sobjects/{kind}", json=fields).raise_for_status().json()["id"])


def read(client: httpx.Client, id: str, kind: str = "Contact") -> Any:
    return client.get(f"{DATA}/sobjects/{kind}/{id}").raise_for_status().json()


def row(**fields: Any) -> dict[str, Any]:
    return {"attributes": {"type": "Contact"}, **fields}


def test_create_update_delete(client: httpx.Client) -> None:
    """2.3: 201 {id, success, errors}, 204 empty, 204 empty; then ENTITY_IS_DELETED."""
    made = client.post(CONTACT, json={"LastName": " Lima ", "Phone": "", "Rating__c": "4"})
    assert made.status_code == 201
    id = made.json()["id"]
    assert made.json() == {"id": id, "success": True, "errors": []}
    body = read(client, id)
    assert (body["LastName"], body["Phone"], body["Rating__c"], body["HasOptedOutOfEmail"]) == ("Lima", None, 4, False)
    changed = client.patch(f"{CONTACT}/{id}", json={"FirstName": "Ana"})
    assert (changed.status_code, changed.content) == (204, b"")
    assert read(client, id)["Name"] == "Ana Lima"
    deleted = client.delete(f"{CONTACT}/{id}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    for again in (client.delete(f"{CONTACT}/{id}"), client.patch(f"{CONTACT}/{id}", json={})):
        assert again.status_code == 404
        assert again.json() == [{"message": "entity is deleted", "errorCode": "ENTITY_IS_DELETED", "fields": []}]


@pytest.mark.parametrize(
    ("fields", "code", "named"),
    [
        ({}, "REQUIRED_FIELD_MISSING", ["LastName"]),
        ({"LastName": ""}, "REQUIRED_FIELD_MISSING", ["LastName"]),
        ({"LastName": "L", "X": 1}, "INVALID_FIELD", None),
        ({"LastName": "L", "Email": "nonsense"}, "INVALID_EMAIL_ADDRESS", ["Email"]),
        ({"LastName": "L", "AccountId": "7"}, "MALFORMED_ID", ["AccountId"]),
        ({"LastName": "L", "AccountId": "0015g00000zzzzz"}, "INVALID_CROSS_REFERENCE_KEY", ["AccountId"]),
        ({"LastName": "L", "Rating__c": "many"}, "JSON_PARSER_ERROR", ["Rating__c"]),
        ({"LastName": "L", "HasOptedOutOfEmail": "perhaps"}, "JSON_PARSER_ERROR", ["HasOptedOutOfEmail"]),
        ({"LastName": "L", "Id": "003"}, "INVALID_FIELD_FOR_INSERT_UPDATE", ["Id"]),
        ({"LastName": "L" * 81}, "STRING_TOO_LONG", ["LastName"]),
        ({"LastName": "L", "Intent__c": "rob"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", ["Intent__c"]),
    ],
)
def test_refused_fields_are_400(client: httpx.Client, fields: dict[str, Any], code: str, named: Any) -> None:
    """2.6: a list of {message, errorCode, fields?}; in a collection 200 with `statusCode`; nothing is written."""
    refused = client.post(CONTACT, json=fields)
    assert (refused.status_code, refused.json()[0]["errorCode"]) == (400, code)
    assert refused.json()[0].get("fields") == named
    outcome = client.post(ROWS, json={"records": [row(**fields)]})
    assert outcome.status_code == 200
    error = outcome.json()[0]["errors"][0]
    assert (outcome.json()[0]["success"], error["statusCode"], "errorCode" in error) == (False, code, False)


def test_bodies_that_are_no_objects_are_400(client: httpx.Client) -> None:
    for path in (CONTACT, ROWS, f"{DATA}/composite", f"{DATA}/composite/batch"):
        for content in (b"{", b"[]"):
            assert client.post(path, content=content).json()[0]["errorCode"] == "JSON_PARSER_ERROR"


def test_users_are_changed_and_neither_made_nor_deleted(client: httpx.Client, sandbox: Sandbox) -> None:
    """Object reference, User (doc): create, update, upsert, no delete; a new address is his once he confirmed it."""
    before = sandbox.crm("salesforce").store.select("User")[0]
    path = f"{DATA}/sobjects/User/{before.id}"
    assert (
        client.patch(path, json={"Title": "Partner", "FirstName": "Ana", "Email": "new@example.com"}).status_code == 204
    )
    after = client.get(path).json()
    assert (after["Title"], after["Email"]) == ("Partner", before.body["Email"])
    assert after["Name"] == f"Ana {before.body['LastName']}"
    refused = client.patch(path, json={"Name": "Ana Lima"})
    assert (refused.status_code, refused.json()[0]["errorCode"]) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE")
    refused = client.delete(path)
    assert (refused.status_code, refused.json()[0]["errorCode"]) == (403, "INSUFFICIENT_ACCESS_OR_READONLY")
    refused = client.post(f"{DATA}/sobjects/User", json={"Username": "x@y.z", "LastName": "L", "Email": "x@y.z"})
    assert (refused.status_code, refused.json()[0]["errorCode"]) == (400, "LICENSE_LIMIT_EXCEEDED")


def test_upsert_by_external_id(client: httpx.Client) -> None:
    """2.3: 201, 200, 300 where several match, `updateOnly`; the field must be an external id."""
    key = f"{CONTACT}/External_Id__c/K-1"
    assert client.patch(key, params={"updateOnly": "true"}, json={"LastName": "Lima"}).status_code == 404
    made = client.patch(key, json={"LastName": "Lima"})
    assert (made.status_code, made.json()["created"]) == (201, True)
    again = client.patch(key, json={"FirstName": "Ana"})
    assert again.status_code == 200
    assert again.json() == {"id": made.json()["id"], "success": True, "errors": [], "created": False}
    assert client.get(key).json()["External_Id__c"] == "K-1"
    twins = [create(client, LastName=name, Legacy_Key__c="same") for name in ("One", "Two")]
    several = client.patch(f"{CONTACT}/Legacy_Key__c/same", json={"FirstName": "Ana"})
    assert (several.status_code, several.json()) == (300, [f"{CONTACT}/{id}" for id in twins])
    assert client.patch(f"{CONTACT}/Title/x", json={"LastName": "L"}).status_code == 404
    taken = client.post(CONTACT, json={"LastName": "Other", "External_Id__c": "K-1"})
    assert (taken.status_code, taken.json()[0]["errorCode"]) == (400, "DUPLICATE_VALUE")
    assert client.delete(key).status_code == 204
    assert client.get(key).status_code == 404


def test_collections_answer_200_however_many_fail(client: httpx.Client) -> None:
    """2.3: `[{id, success, errors}]`; a failed row has no id."""
    made = client.post(ROWS, json={"records": [row(LastName="Lima"), row()]})
    assert made.status_code == 200
    good, bad = made.json()
    assert good == {"id": good["id"], "success": True, "errors": []}
    message = "Required fields are missing: [LastName]"
    assert bad == {"success": False, "errors": [
        {"statusCode": "REQUIRED_FIELD_MISSING", "message": message, "fields": ["LastName"]}]}  # fmt: skip
    changed = client.patch(ROWS, json={"records": [row(id=good["id"], Title="X"), row(id="003xx", Title="Y")]})
    assert [each["success"] for each in changed.json()] == [True, False]
    assert read(client, good["id"])["Title"] == "X"
    gone = client.delete(ROWS, params={"ids": f"{good['id']},{good['id']}"}).json()
    assert [each["success"] for each in gone] == [True, False]
    assert gone[1]["errors"][0]["statusCode"] == "ENTITY_IS_DELETED"


def test_all_or_none(client: httpx.Client) -> None:
    """2.3: the good rows turn into ALL_OR_NONE_OPERATION_ROLLED_BACK."""
    good = row(LastName="Lima", External_Id__c="K-1")
    outcomes = client.post(ROWS, json={"allOrNone": True, "records": [good, row()]}).json()
    assert [each["errors"][0]["statusCode"] for each in outcomes] == [
        "ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING",
    ]  # fmt: skip
    assert client.get(f"{CONTACT}/External_Id__c/K-1").status_code == 404
    assert client.post(ROWS, json={"allOrNone": True, "records": [good]}).json()[0]["success"]


def test_collection_upsert(client: httpx.Client) -> None:
    """2.3: adds `created`; a record without `attributes` is that row's JSON_PARSER_ERROR, and 200."""
    path = f"{ROWS}/Contact/External_Id__c"
    rows = [row(LastName="Lima", External_Id__c="K-1"), {"LastName": "Lima", "External_Id__c": "K-2"}]
    answer = client.patch(path, json={"records": rows})
    assert answer.status_code == 200
    assert (answer.json()[0]["created"], answer.json()[1]["errors"][0]["statusCode"]) == (True, "JSON_PARSER_ERROR")
    misplaced = {"LastName": "Lima", "External_Id__c": "K-3", "attributes": {"type": "Contact"}}
    again = client.patch(path, json={"records": [rows[0], misplaced, row(LastName="Lima")]}).json()
    assert (again[0]["created"], [each["success"] for each in again]) == (False, [True, False, False])
    for name in ("One", "Two"):
        create(client, LastName=name, Legacy_Key__c="same")
    legacy = client.patch(f"{ROWS}/Contact/Legacy_Key__c", json={"records": [row(Legacy_Key__c="same")]}).json()
    assert legacy[0]["success"] is False


def test_collection_limits(client: httpx.Client) -> None:
    """2.3: at most 200 records and 10 chunks of differing types."""
    assert client.post(ROWS, json={"records": [row(LastName="L")] * 201}).status_code == 400
    mixed = [row(LastName="L"), {"attributes": {"type": "Account"}, "Name": "A"}]
    assert client.post(ROWS, json={"records": mixed * 6}).status_code == 400
    assert all(each["success"] for each in client.post(ROWS, json={"records": mixed * 5}).json())
    assert client.post(ROWS, json={}).status_code == 400


def test_collection_retrieve(client: httpx.Client) -> None:
    id = create(client, LastName="Lima")
    asked = {"ids": [id, "0035g00000zzzzz"], "fields": ["LastName"]}
    posted = client.post(f"{ROWS}/Contact", json=asked).json()
    assert [posted[0]["LastName"], posted[1]] == ["Lima", None]
    got = client.get(f"{ROWS}/Contact", params={name: ",".join(each) for name, each in asked.items()}).json()
    assert got == posted


def test_duplicate_rules(sandbox: Sandbox, client: httpx.Client) -> None:
    """2.3: DUPLICATES_DETECTED with `duplicateResult`, 400; the header lets it in."""
    sandbox.crm("salesforce").switches["duplicate_rule"] = True
    first = create(client, LastName="Lima", Email="ana@example.com")
    twin = {"LastName": "Lima", "Email": "Ana@example.com"}
    refused = client.post(CONTACT, json=twin)
    assert (refused.status_code, refused.json()[0]["errorCode"]) == (400, "DUPLICATES_DETECTED")
    matches = refused.json()[0]["duplicateResult"]["matchResults"][0]["matchRecords"]
    assert [each["record"]["Id"] for each in matches] == [first]
    outcome = client.post(ROWS, json={"records": [row(**twin)]}).json()[0]
    assert outcome["errors"][0]["statusCode"] == "DUPLICATES_DETECTED"
    lets_in = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
    assert client.post(CONTACT, json=twin, headers=lets_in).status_code == 201


def test_stages_imply(client: httpx.Client) -> None:
    """A stage says whether a deal is closed and won, and how probable it is unless that is given."""
    id = create(client, "Opportunity", Name="Elm St", StageName="Prospecting", CloseDate="2026-09-30", Amount=350000.0)
    assert {"Probability": 10, "IsClosed": False, "Amount": 350000}.items() <= read(client, id, "Opportunity").items()
    client.patch(f"{DATA}/sobjects/Opportunity/{id}", json={"StageName": "Closed Won"})
    assert {"Probability": 100, "IsClosed": True, "IsWon": True}.items() <= read(client, id, "Opportunity").items()
    client.patch(f"{DATA}/sobjects/Opportunity/{id}", json={"StageName": "Value Proposition", "Probability": 55})
    client.patch(f"{DATA}/sobjects/Opportunity/{id}", json={"NextStep": "Call"})
    assert read(client, id, "Opportunity")["Probability"] == 55
    bad = client.patch(f"{DATA}/sobjects/Opportunity/{id}", json={"CloseDate": "30.09.2026"})
    assert bad.json()[0]["errorCode"] == "JSON_PARSER_ERROR"


def test_contact_roles(client: httpx.Client) -> None:
    """2.3: insert OpportunityContactRole; it goes with its opportunity."""
    deal = create(client, "Opportunity", Name="Elm St", StageName="Prospecting", CloseDate="2026-09-30")
    contact = create(client, LastName="Lima")
    role = create(client, "OpportunityContactRole", OpportunityId=deal, ContactId=contact, Role="Buyer", IsPrimary=True)
    assert read(client, role, "OpportunityContactRole")["ContactId"] == contact
    lacking = client.post(f"{DATA}/sobjects/OpportunityContactRole", json={"OpportunityId": deal})
    assert lacking.json()[0]["fields"] == ["ContactId"]
    client.delete(f"{DATA}/sobjects/Opportunity/{deal}")
    assert client.get(f"{DATA}/sobjects/OpportunityContactRole/{role}").status_code == 404


def test_custom_objects(client: httpx.Client) -> None:
    made = client.patch(f"{DATA}/sobjects/Property__c/MLS_Number__c/M-1", json={"Name": "Elm St 1", "Bedrooms__c": 3.5})
    assert made.status_code == 201
    assert read(client, made.json()["id"], "Property__c")["Bedrooms__c"] == 3.5


def test_a_copied_record_has_no_key_of_another(sandbox: Sandbox, client: httpx.Client) -> None:
    crm = sandbox.crm("salesforce")
    first = crm.store.get("Contact", create(client, LastName="Lima", External_Id__c="K-1"))
    assert first
    copy = crm.new("Contact", crm.new_id("Contact"), dict(first.body))
    assert (copy.body["External_Id__c"], copy.body["LastName"]) == (None, "Lima")
    assert read(client, copy.id)["Id"] == copy.id


def test_composite(client: httpx.Client) -> None:
    """2.3: ≤25 calls; later ones name what earlier ones answered; `allOrNone` undoes."""
    parts = [
        {"method": "POST", "url": f"{DATA}/sobjects/Account", "referenceId": "acme", "body": {"Name": "Acme"}},
        {
            "method": "POST",
            "url": CONTACT,
            "referenceId": "ana",
            "body": {"LastName": "Lima", "AccountId": "@{acme.id}"},
        },
        {"method": "GET", "url": f"{CONTACT}/@{{ana.id}}?fields=AccountId", "referenceId": "read"},
        {"method": "POST", "url": CONTACT, "referenceId": "bad", "body": {}},
    ]
    answer = client.post(f"{DATA}/composite", json={"compositeRequest": parts})
    assert answer.status_code == 200
    made = answer.json()["compositeResponse"]
    assert [(each["referenceId"], each["httpStatusCode"]) for each in made] == [
        ("acme", 201), ("ana", 201), ("read", 200), ("bad", 400),
    ]  # fmt: skip
    assert made[2]["body"]["AccountId"] == made[0]["body"]["id"]
    assert made[0]["httpHeaders"]["Location"].endswith(made[0]["body"]["id"])
    undone = client.post(f"{DATA}/composite", json={"allOrNone": True, "compositeRequest": parts}).json()
    codes = [each["body"][0]["errorCode"] for each in undone["compositeResponse"]]
    assert codes == ["PROCESSING_HALTED"] * 3 + ["REQUIRED_FIELD_MISSING"]
    count = client.get(f"{DATA}/query", params={"q": "SELECT COUNT() FROM Account WHERE Name = 'Acme'"}).json()
    assert count["totalSize"] == 1
    assert client.post(f"{DATA}/composite", json={"compositeRequest": parts[:1] * 26}).status_code == 400
    lost = [{"method": "GET", "url": f"{CONTACT}/@{{no.id}}", "referenceId": "x"}]
    response = client.post(f"{DATA}/composite", json={"compositeRequest": lost}).json()["compositeResponse"]
    assert response[0]["httpStatusCode"] == 400


def test_composite_batch(client: httpx.Client) -> None:
    """2.3: `{hasErrors, results: [{statusCode, result}]}`."""
    parts = [
        {"method": "POST", "url": "v60.0/sobjects/Contact", "richInput": {"LastName": "Lima"}},
        {"method": "GET", "url": "v60.0/sobjects/Contact/nonsense"},
        {"method": "GET", "url": "v60.0/limits"},
    ]
    answer = client.post(f"{DATA}/composite/batch", json={"batchRequests": parts}).json()
    assert (answer["hasErrors"], [each["statusCode"] for each in answer["results"]]) == (True, [201, 400, 200])
    halted = client.post(f"{DATA}/composite/batch", json={"haltOnError": True, "batchRequests": parts}).json()
    assert [each["statusCode"] for each in halted["results"]] == [201, 400, 412]
