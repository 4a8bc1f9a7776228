"""Salesforce's logins and reading side, line by line as the fact sheet has it (2.1, 2.2, 2.4, 2.6)."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from pipelines.sandbox.crms.salesforce.ids import looked_up, whole
from pipelines.sandbox.inside import HttpxTransport
from pipelines.sandbox.server import Sandbox, app

DATA = "/services/data/v60.0"
PAIR = {"client_id": "salesforce-sandbox-client", "client_secret": "salesforce-sandbox-secret"}


@pytest.fixture(scope="module")
def kept() -> Sandbox:
    return app(None, ["salesforce"], size=150)


@pytest.fixture
def sandbox(kept: Sandbox) -> Sandbox:
    kept.crm("salesforce").is_limited = False
    kept.crm("salesforce").reset()
    return kept


@pytest.fixture
def stranger(sandbox: Sandbox) -> httpx.Client:
    return httpx.Client(transport=HttpxTransport(sandbox), base_url="http://sandbox/salesforce")


@pytest.fixture
def client(stranger: httpx.Client) -> httpx.Client:
    login(stranger)
    return stranger


def login(client: httpx.Client) -> None:
    """Puts a fresh session into the client's headers."""
    granted = client.post("/services/oauth2/token", data={"grant_type": "client_credentials"} | PAIR).json()
    client.headers["Authorization"] = f"Bearer {granted['access_token']}"


def query(client: httpx.Client, text: str, path: str = "query") -> Any:
    return client.get(f"{DATA}/{path}", params={"q": text}).raise_for_status().json()


def held(sandbox: Sandbox, entity: str, where: str = "not deleted") -> list[dict[str, Any]]:
    return [record.body for record in sandbox.crm("salesforce").store.select(entity, where)]


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
    assert (page["done"], page["totalSize"], len(found)) == (False, len(held(sandbox, "Contact")), 30)
    assert re.search(r"/services/data/v60\.0/query/\w+-30$", page["nextRecordsUrl"])
    assert page["nextRecordsUrl"].startswith("/")
    put_behind = client.get(f"http://sandbox/salesforce{page['nextRecordsUrl']}").json()
    while not page["done"]:
        page = client.get(f"http://sandbox{page['nextRecordsUrl']}").json()
        found += ids(page)
    assert "nextRecordsUrl" not in page
    assert found[30:60] == ids(put_behind)
    assert sorted(found) == sorted(body["Id"] for body in held(sandbox, "Contact"))
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
    roles = held(sandbox, "OpportunityContactRole")
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
    accounts = {body["Id"]: body["Name"] for body in held(sandbox, "Account")}
    fits = fits or (lambda c: "a" in accounts.get(c["AccountId"], "").lower())
    found = query(client, f"SELECT Id FROM Contact WHERE {where}")
    expected = [body["Id"] for body in held(sandbox, "Contact") if fits(body)]
    assert ids(found) == expected
    assert found["totalSize"] == len(expected) > 0


def test_order_limit_offset_and_count(sandbox: Sandbox, client: httpx.Client) -> None:
    contacts = held(sandbox, "Contact")
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
    assert found == sorted(body["Id"] for body in held(sandbox, "Contact"))


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
    login(client)
    assert query(client, text, "queryAll")["totalSize"] == 0


def test_replication(sandbox: Sandbox, client: httpx.Client) -> None:
    """2.2: updated within 30 days, deleted within 15; seconds are dropped; too many ids are an error."""
    crm = sandbox.crm("salesforce")
    crm.clock.stop(1_800_000_030)
    login(client)
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
    contacts = {body["Id"] for body in held(sandbox, "Contact")}
    leads = held(sandbox, "Lead")
    assert {lead["IsConverted"] for lead in leads} == {True, False}
    assert {lead["ConvertedContactId"] for lead in leads if lead["IsConverted"]} <= contacts
    assert all(role["ContactId"] in contacts for role in held(sandbox, "OpportunityContactRole"))
    assert all(body["LastName"] for body in held(sandbox, "Contact"))
