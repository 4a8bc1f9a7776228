"""simple-salesforce against the sandbox, over loopback: login, reading, querying, writing, collections."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce, format_soql
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceResourceNotFound,
)

from pipelines.sandbox import SandboxHandle

CRM, PEOPLE = "salesforce", 120


class Loopback(HTTPAdapter):
    """Sends https calls, to whatever host, to the sandbox: the client knows no other scheme."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address

    def send(self, request: requests.PreparedRequest, *args: Any, **more: Any) -> requests.Response:
        parts = urlsplit(str(request.url))
        request.url = self.address + parts.path + (f"?{parts.query}" if parts.query else "")
        return super().send(request, *args, **more)


@pytest.fixture
def session(running: SandboxHandle) -> requests.Session:
    running.admin("POST", "reset", {"crm": "salesforce"})
    session = requests.Session()
    session.mount("https://", Loopback(running.address))
    return session


@pytest.fixture
def client(running: SandboxHandle, session: requests.Session) -> Salesforce:
    """Logged in by client credentials, which the client sends as HTTP Basic."""
    given = running.environment("salesforce")
    return Salesforce(
        consumer_key=given["SALESFORCE_CLIENT_ID"], consumer_secret=given["SALESFORCE_CLIENT_SECRET"],
        domain="acme.my", session=session, version="60.0",
    )  # fmt: skip


def test_it_logs_in_with_a_password(running: SandboxHandle, session: requests.Session) -> None:
    given = running.environment("salesforce")
    asked = {
        "username": given["SALESFORCE_USERNAME"], "consumer_key": given["SALESFORCE_CLIENT_ID"],
        "consumer_secret": given["SALESFORCE_CLIENT_SECRET"], "session": session, "version": "60.0",
    }  # fmt: skip
    assert Salesforce(password=given["SALESFORCE_PASSWORD"], **asked).query("SELECT COUNT() FROM User")["totalSize"] > 0
    with pytest.raises(SalesforceAuthenticationFailed) as refused:
        Salesforce(password="no", **asked)
    assert "authentication failure" in str(refused.value)


def test_a_lost_session_is_401(running: SandboxHandle, session: requests.Session) -> None:
    direct = Salesforce(session_id="no", instance_url=running.address, session=session)
    with pytest.raises(SalesforceExpiredSession):
        direct.query("SELECT Id FROM Contact")


def test_it_renews_a_lost_session(running: SandboxHandle, client: Salesforce) -> None:
    running.admin("POST", "salesforce/clock", {"advance": 10_000})
    assert client.query("SELECT COUNT() FROM Contact")["totalSize"] > 0


def test_it_reads_every_page(running: SandboxHandle, client: Salesforce) -> None:
    running.admin("PATCH", "salesforce/settings", {"batch_size": 7})
    read = client.query_all("SELECT Id, Email, Account.Name FROM Contact ORDER BY SystemModstamp, Id")
    held = running.admin("GET", "salesforce/records?entity=Contact")
    assert read["totalSize"] == len(held) > 7
    assert {row["Id"]: row["Email"] for row in read["records"]} == {r["id"]: r["body"]["Email"] for r in held}
    assert client.api_usage["api-usage"].used > len(held) // 7


def test_it_reads_deals_with_their_contacts(client: Salesforce) -> None:
    deals = client.query_all(
        "SELECT Id, Amount, (SELECT ContactId, Role FROM OpportunityContactRoles) FROM Opportunity"
    )
    linked = [deal for deal in deals["records"] if deal["OpportunityContactRoles"]]
    assert linked
    role = linked[0]["OpportunityContactRoles"]["records"][0]
    assert client.Contact.get(role["ContactId"])["Id"] == role["ContactId"]


def test_it_changes_users(client: Salesforce) -> None:
    user = client.query("SELECT Id, LastName FROM User WHERE IsActive = true")["records"][0]
    assert (
        client.User.update(user["Id"], {"FirstName": "Zora", "MobilePhone": "555-0101", "Department": "Sales"}) == 204
    )
    after = client.User.get(user["Id"])
    assert (after["Name"], after["Department"]) == (f"Zora {user['LastName']}", "Sales")
    with pytest.raises(SalesforceMalformedRequest):
        client.User.create({"Username": "a@b.example", "LastName": "Lima", "Email": "a@b.example"})


def test_it_writes_single_records(client: Salesforce) -> None:
    made = client.Contact.create({"LastName": "Lima", "FirstName": "Ana", "Email": "ana@example.com"})
    assert (made["success"], made["errors"]) == (True, [])
    assert client.Contact.update(made["id"], {"Title": "Broker"}) == 204
    assert client.Contact.get(made["id"])["Title"] == "Broker"
    quoted = format_soql("SELECT Id FROM Contact WHERE FirstName = {} AND LastName = 'Lima'", "Ana")
    assert [row["Id"] for row in client.query(quoted)["records"]] == [made["id"]]
    assert client.Contact.delete(made["id"]) == 204
    with pytest.raises(SalesforceResourceNotFound) as gone:
        client.Contact.get(made["id"])
    assert gone.value.content[0]["errorCode"] == "ENTITY_IS_DELETED"
    deleted = client.query(f"SELECT Id, IsDeleted FROM Contact WHERE Id = '{made['id']}'", include_deleted=True)
    assert deleted["records"][0]["IsDeleted"] is True
    with pytest.raises(SalesforceMalformedRequest) as refused:
        client.Contact.create({"FirstName": "Ana"})
    assert refused.value.content[0]["errorCode"] == "REQUIRED_FIELD_MISSING"


def test_it_upserts_by_an_external_id(client: Salesforce) -> None:
    assert client.Contact.upsert("External_Id__c/K-1", {"LastName": "Lima"}) == 201
    assert client.Contact.upsert("External_Id__c/K-1", {"FirstName": "Ana"}) == 200
    assert client.Contact.get_by_custom_id("External_Id__c", "K-1")["Name"] == "Ana Lima"
    for name in ("One", "Two"):
        client.Contact.create({"LastName": name, "Legacy_Key__c": "same"})
    with pytest.raises(SalesforceMoreThanOneRecord):
        client.Contact.get_by_custom_id("Legacy_Key__c", "same")


def test_it_asks_what_changed(client: Salesforce) -> None:
    changed, gone = (client.Contact.create({"LastName": name})["id"] for name in ("Changed", "Gone"))
    client.Contact.delete(gone)
    now = datetime.now(UTC)
    window = now - timedelta(days=1), now + timedelta(minutes=5)
    assert changed in client.Contact.updated(*window)["ids"]
    assert [row["id"] for row in client.Contact.deleted(*window)["deletedRecords"]] == [gone]


def test_it_writes_collections(client: Salesforce) -> None:
    rows = [{"attributes": {"type": "Contact"}, "LastName": "Lima"}, {"attributes": {"type": "Contact"}}]
    made = client.restful("composite/sobjects", method="POST", json={"allOrNone": False, "records": rows})
    assert [each["success"] for each in made] == [True, False]
    assert made[1]["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    keyed = [row | {"LastName": "Lima", "External_Id__c": str(place)} for place, row in enumerate(rows)]
    path = "composite/sobjects/Contact/External_Id__c"
    assert [each["created"] for each in client.restful(path, method="PATCH", json={"records": keyed})] == [True, True]
    assert [each["created"] for each in client.restful(path, method="PATCH", json={"records": keyed})] == [False, False]


def test_it_describes_and_knows_limits(client: Salesforce) -> None:
    described = {each["name"]: each for each in client.Contact.describe()["fields"]}
    assert described["External_Id__c"]["externalId"]
    assert {each["name"] for each in client.describe()["sobjects"]} > {"Contact", "Opportunity", "Property__c"}
    assert client.Contact.metadata()["objectDescribe"]["keyPrefix"] == "003"
    limits = client.limits()["DailyApiRequests"]
    assert limits["Max"] > limits["Remaining"] > 0
