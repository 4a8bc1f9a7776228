"""Salesforce's queries, line by line as the fact sheet has it (2.2, 2.6)."""

from __future__ import annotations

import re
from typing import Any

import emulated
import httpx
import pytest
from emulated import salesforce_held

from pipelines.sandbox.server import Sandbox

CRM, PEOPLE = "salesforce", 150

DATA = "/services/data/v60.0"
PAIR = {"client_id": "salesforce-sandbox-client", "client_secret": "salesforce-sandbox-secret"}


def query(client: httpx.Client, text: str, path: str = "query") -> Any:
    return client.get(f"{DATA}/{path}", params={"q": text}).raise_for_status().json()


def ids(answer: Any) -> list[str]:
    return [row["Id"] for row in answer["records"]]


def test_a_record_of_a_query(client: httpx.Client) -> None:
    """2.2: typed JSON with `attributes`; times `…000+0000`, days `YYYY-MM-DD`; parents nest, or are null."""
    text = "SELECT Id, FirstName, HasOptedOutOfEmail, Rating__c, AccountId, Account.Name, SystemModstamp FROM Contact"
    rows = query(client, text)["records"]
    row = rows[0]
    assert row["attributes"] == {"type": "Contact", "url": f"{DATA}/sobjects/Contact/{row['Id']}"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000\+0000", row["SystemModstamp"])
    assert {type(each["HasOptedOutOfEmail"]) for each in rows} == {bool}
    assert {type(each["Rating__c"]) for each in rows} == {int, type(None)}
    assert {each["Account"] is None for each in rows} == {True, False}
    assert all((each["Account"] is None) == (each["AccountId"] is None) for each in rows)
    named = next(each["Account"] for each in rows if each["Account"])
    assert named["attributes"]["type"] == "Account"
    deal = query(client, "SELECT Amount, CloseDate, StageName FROM Opportunity WHERE Amount != null")["records"][0]
    assert isinstance(deal["Amount"], int)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", deal["CloseDate"])


def test_pages(sandbox: Sandbox, client: httpx.Client) -> None:
    """2.2: `nextRecordsUrl` is relative and absent at the end; with and without the mount before it."""
    sandbox.crm("salesforce").switches["batch_size"] = 30
    page = query(client, "SELECT Id FROM Contact ORDER BY SystemModstamp ASC, Id ASC")
    found = ids(page)
    assert (page["done"], page["totalSize"], len(found)) == (False, len(salesforce_held(sandbox, "Contact")), 30)
    assert re.search(r"/services/data/v60\.0/query/\w+-30$", page["nextRecordsUrl"])
    assert page["nextRecordsUrl"].startswith("/")
    put_behind = client.get(f"http://sandbox/salesforce{page['nextRecordsUrl']}").json()
    while not page["done"]:
        page = client.get(f"http://sandbox{page['nextRecordsUrl']}").json()
        found += ids(page)
    assert "nextRecordsUrl" not in page
    assert found[30:60] == ids(put_behind)
    assert sorted(found) == sorted(body["Id"] for body in salesforce_held(sandbox, "Contact"))
    assert client.get(f"{DATA}/query/01gxx-30").json()[0]["errorCode"] == "INVALID_QUERY_LOCATOR"


def test_batch_size_is_a_hint(sandbox: Sandbox, client: httpx.Client) -> None:
    """2.2: `Sforce-Query-Options: batchSize=200..2000`."""
    crm = sandbox.crm("salesforce")
    for number in range(250):
        crm.new("Account", crm.new_id("Account"), {"Name": f"A{number}"})
    options = {"Sforce-Query-Options": "batchSize=5"}
    page = client.get(f"{DATA}/query", params={"q": "SELECT Id FROM Account"}, headers=options).json()
    assert len(page["records"]) == 200
    assert query(client, "SELECT Id FROM Account")["done"]


def test_sub_selects(sandbox: Sandbox, client: httpx.Client) -> None:
    """2.2: children nest as `{totalSize, done, records}`, or null."""
    text = (
        "SELECT Id, (SELECT ContactId, Role, IsPrimary, Contact.LastName FROM OpportunityContactRoles) FROM Opportunity"
    )
    rows = query(client, text)["records"]
    roles = salesforce_held(sandbox, "OpportunityContactRole")
    for row in rows:
        mine = {(role["ContactId"], role["Role"]) for role in roles if role["OpportunityId"] == row["Id"]}
        nested = row["OpportunityContactRoles"]
        assert {(each["ContactId"], each["Role"]) for each in nested["records"]} == mine
        assert (nested["totalSize"], nested["done"]) == (len(mine), True)
    assert query(client, "SELECT Id, (SELECT Id FROM Contacts) FROM Account WHERE Id = null")["records"] == []
    made = client.post(f"{DATA}/sobjects/Account", json={"Name": "Empty"}).json()["id"]
    empty = query(client, f"SELECT (SELECT Id FROM Contacts) FROM Account WHERE Id = '{made}'")
    assert empty["records"][0]["Contacts"] is None


@pytest.mark.parametrize(
    ("where", "fits"),
    [
        ("SystemModstamp >= 2025-06-01T00:00:00Z", lambda c: c["SystemModstamp"] >= "2025-06-01"),
        ("SystemModstamp < 2025-06-01T02:00:00+02:00", lambda c: c["SystemModstamp"] < "2025-06-01"),
        ("Email = null", lambda c: c["Email"] is None),
        ("Email != null AND Rating__c > 2", lambda c: c["Email"] and (c["Rating__c"] or 0) > 2),
        ("Status__c != 'past'", lambda c: c["Status__c"] != "past"),
        ("Status__c = 'PAST'", lambda c: c["Status__c"] == "past"),
        ("Status__c IN ('past', 'active')", lambda c: c["Status__c"] in ("past", "active")),
        ("Status__c NOT IN ('past', 'active')", lambda c: c["Status__c"] not in ("past", "active")),
        ("LastName LIKE 'S%'", lambda c: c["LastName"][:1] in "Ss"),
        ("LastName LIKE '_o%' OR HasOptedOutOfEmail = true",
         lambda c: c["LastName"][1:2].lower() == "o" or c["HasOptedOutOfEmail"]),
        ("NOT (Rating__c >= 3)", lambda c: not (c["Rating__c"] or 0) >= 3),
        ("(Rating__c = 5 OR Rating__c <= 1) AND Status__c != null",
         lambda c: c["Rating__c"] in (0, 1, 5) and c["Status__c"]),
        ("AccountId != null AND Account.Name LIKE '%a%'", None),
    ],
)  # fmt: skip
def test_where(sandbox: Sandbox, client: httpx.Client, where: str, fits: Any) -> None:
    accounts = {body["Id"]: body["Name"] for body in salesforce_held(sandbox, "Account")}
    fits = fits or (lambda c: "a" in accounts.get(c["AccountId"], "").lower())
    found = query(client, f"SELECT Id FROM Contact WHERE {where}")
    expected = [body["Id"] for body in salesforce_held(sandbox, "Contact") if fits(body)]
    assert ids(found) == expected
    assert found["totalSize"] == len(expected) > 0


def test_order_limit_offset_and_count(sandbox: Sandbox, client: httpx.Client) -> None:
    contacts = salesforce_held(sandbox, "Contact")
    text = "select Id from Contact order by Rating__c desc nulls last, LastName, Id limit 20 offset 5"
    ordered = sorted(contacts, key=lambda c: (-(c["Rating__c"] or 0), c["LastName"], c["Id"]))
    assert ids(query(client, text)) == [body["Id"] for body in ordered[5:25]]
    nulls_first = query(client, "SELECT Id, Title FROM Contact ORDER BY Title LIMIT 1")["records"][0]
    assert nulls_first["Title"] is None
    assert query(client, "SELECT COUNT() FROM Contact") == {"totalSize": len(contacts), "done": True, "records": []}
    with_mail = query(client, "SELECT COUNT(Email) FROM Contact")["records"][0]["expr0"]
    assert with_mail == sum(body["Email"] is not None for body in contacts)


def test_ties_by_time_are_passed_by_id(sandbox: Sandbox, client: httpx.Client) -> None:
    """Many records may bear one time: the rest of them by `Id >`."""
    crm = sandbox.crm("salesforce")
    crm.same_time("Contact", 1_700_000_000.7)
    text = "SELECT Id FROM Contact WHERE (SystemModstamp > {0}) OR (SystemModstamp = {0} AND Id > '{1}') ORDER BY Id"
    found, last = list[str](), "000000000000000"
    while page := ids(query(client, f"{text.format('2023-11-14T22:13:20Z', last)} LIMIT 20")):
        found += page
        last = page[-1]
    assert found == sorted(body["Id"] for body in salesforce_held(sandbox, "Contact"))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT Nope FROM Contact", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Nope = 1", "INVALID_FIELD"),
        ("SELECT Nope.Name FROM Contact", "INVALID_FIELD"),
        ("SELECT (SELECT Id FROM Nope) FROM Contact", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE SystemModstamp > '2025-01-01T00:00:00Z'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Email = 5", "INVALID_FIELD"),
        ("SELECT Id FROM Nope", "INVALID_TYPE"),
        ("SELECT FROM Contact", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Id = 'a' AND Id = 'b' OR Id = 'c'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact LIMIT 1 garbage", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Id = \"a\"", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
        ("", "MALFORMED_QUERY"),
    ],
)  # fmt: skip
def test_refused_queries_are_400(client: httpx.Client, text: str, code: str) -> None:
    refused = client.get(f"{DATA}/query", params={"q": text})
    assert (refused.status_code, [error["errorCode"] for error in refused.json()]) == (400, [code])


def test_quotes_in_text(client: httpx.Client) -> None:
    client.post(f"{DATA}/sobjects/Contact", json={"LastName": "O'Hara \\ Sons"}).raise_for_status()
    found = query(client, r"SELECT LastName FROM Contact WHERE LastName = 'O\'Hara \\ Sons'")
    assert [row["LastName"] for row in found["records"]] == ["O'Hara \\ Sons"]


def test_the_recycle_bin(sandbox: Sandbox, client: httpx.Client) -> None:
    """2.2: `queryAll` sees what was deleted, `query` does not; after a while the bin is empty."""
    crm = sandbox.crm("salesforce")
    gone = crm.store.select("Contact")[0]
    crm.remove(gone)
    text = f"SELECT Id, IsDeleted FROM Contact WHERE Id = '{gone.id}'"
    assert query(client, text)["totalSize"] == 0
    assert query(client, text, "queryAll")["records"][0]["IsDeleted"] is True
    crm.clock.advance(16 * 86_400)
    emulated.log_in(client, sandbox, CRM)
    assert query(client, text, "queryAll")["totalSize"] == 0
