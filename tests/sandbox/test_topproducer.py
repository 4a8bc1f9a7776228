"""Top Producer, line by line: fact sheet 2.2 and 2.3 and the unified-CRM contract."""

from __future__ import annotations

from urllib.parse import quote

import httpx
import pytest

from pipelines.sandbox.server import Sandbox

CRM, PEOPLE = "topproducer", 400

CREDENTIALS = {
    "grant_type": "client_credentials",
    "client_id": "topproducer-sandbox-client",
    "client_secret": "topproducer-sandbox-secret",
}
BASE = "http://sandbox/topproducer/v2"


def test_the_environment_of_a_connection(sandbox: Sandbox) -> None:
    """Contract: <CRM>_CLIENT_ID, _CLIENT_SECRET, _API_KEY, base <CRM>_API_BASE_URL."""
    environment = sandbox.crm("topproducer").environment("http://sandbox/topproducer")
    assert environment["TOPPRODUCER_API_BASE_URL"] == BASE
    assert {"TOPPRODUCER_CLIENT_ID", "TOPPRODUCER_CLIENT_SECRET", "TOPPRODUCER_API_KEY"} < set(environment)


def test_token(stranger: httpx.Client) -> None:
    """2.2: POST {base}/authentication/oauth/authorize -> {access_token, expires_in}."""
    granted = stranger.post("authentication/oauth/authorize", json=CREDENTIALS).json()
    assert granted["expires_in"] == 3600
    assert stranger.get("contacts").status_code == 401
    bearer = {"Authorization": f"Bearer {granted['access_token']}"}
    assert stranger.get("contacts", headers=bearer).status_code == 200
    assert stranger.post("auth/oauth/token", json=CREDENTIALS).status_code == 401
    wrong = CREDENTIALS | {"client_secret": "no"}
    assert stranger.post("authentication/oauth/authorize", json=wrong).status_code == 401
    assert stranger.post("authentication/oauth/authorize", json={"grant_type": "password"}).status_code == 400


def test_a_token_ends(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.crm("topproducer").clock.advance(3601)
    assert client.get("contacts").status_code == 401


@pytest.mark.parametrize(("path", "size", "skip"), [("contacts", "limit", "offset"), ("transactions", "$top", "$skip")])
def test_each_list_pages_by_its_own_parameters(
    sandbox: Sandbox, client: httpx.Client, path: str, size: str, skip: str
) -> None:
    """2.2: contacts page with limit and offset, transactions with $top and $skip; {value}; stop on a short page."""
    total = sandbox.crm("topproducer").store.count(path)
    pages = [client.get(path, params={size: 20, skip: at}).json() for at in range(0, total + 20, 20)]
    assert [list(page) for page in pages] == [["value"]] * len(pages)
    assert [len(page["value"]) for page in pages] == [20] * (total // 20) + [total % 20] + [0] * (
        len(pages) - total // 20 - 1
    )
    assert len({record["Id"] for page in pages for record in page["value"]}) == total


@pytest.mark.parametrize(
    ("path", "foreign"), [("contacts", {"$top": 3, "$skip": 9}), ("transactions", {"limit": 3, "offset": 9})]
)
def test_the_parameters_of_the_other_list_are_ignored(client: httpx.Client, path: str, foreign: dict[str, int]) -> None:
    assert client.get(path, params=foreign).json() == client.get(path).json()


def test_pages_of_100(client: httpx.Client) -> None:
    """Contract: 100 records a page."""
    assert len(client.get("contacts", params={"limit": 5000}).json()["value"]) == 100


def test_the_keys_of_the_records(client: httpx.Client) -> None:
    """2.2: the keys read of contacts and transactions; no times."""
    contact = client.get("contacts").json()["value"][0]
    assert set(contact) == {
        *("Id", "FirstName", "LastName", "Email", "Phone", "Company", "JobTitle", "Status", "Notes", "ContactType")
    }
    transaction = client.get("transactions").json()["value"][0]
    assert set(transaction) == {
        *("Id", "PropertyAddress", "SalesPrice", "TransactionStatus", "CloseDate", "ContactId", "TransactionType")
    }
    assert client.get(f"contacts('{transaction['ContactId']}')").json()["Id"] == transaction["ContactId"]


def test_the_other_names_of_a_transaction(sandbox: Sandbox, client: httpx.Client) -> None:
    """2.2: PropertyAddress|Address, SalesPrice|listPrice, TransactionStatus|status, CloseDate|closingDate."""
    sandbox.crm("topproducer").switches["other_names"] = True
    transaction = client.get("transactions").json()["value"][0]
    assert {"Address", "listPrice", "status", "closingDate"} < set(transaction)
    assert "SalesPrice" not in transaction


def test_vocabularies(client: httpx.Client) -> None:
    """2.3: the statuses of contacts and of closings."""
    contacts = [c for at in (0, 100, 200) for c in client.get("contacts", params={"offset": at}).json()["value"]]
    assert {c["Status"] for c in contacts} == {
        *("New", "Engage", "Future", "Active", "Closed", "Inactive", "Non Client", None)
    }
    transactions = client.get("transactions").json()["value"]
    assert {t["TransactionStatus"] for t in transactions} == {"Pending", "Closed/Paid", "Fell Thru"}


def test_filter_on_status_and_none_on_time(client: httpx.Client) -> None:
    """2.2: Status is the only filter; no incremental one."""
    found = client.get("contacts", params={"Status": "Future"}).json()["value"]
    assert found
    assert {contact["Status"] for contact in found} == {"Future"}
    since = {"modifiedSince": "2099-01-01", "$filter": "ModifiedDate gt 2099-01-01"}
    assert client.get("contacts", params=since).json() == client.get("contacts").json()


def test_a_key_in_odata_syntax(client: httpx.Client) -> None:
    """2.2: GET /contacts('<id>'); also where the client encodes the apostrophes."""
    contact = client.get("contacts").json()["value"][0]
    key = f"('{contact['Id']}')"
    assert client.get(f"contacts{key}").json() == contact
    assert client.get(f"contacts{quote(key)}").json() == contact
    for wrong in (f"contacts/{contact['Id']}", f"contacts({contact['Id']})", "contacts('C-0')"):
        assert client.get(wrong).status_code == 404


def test_writes(client: httpx.Client) -> None:
    sent = {"FirstName": " Ada ", "LastName": "Okoro", "Email": "Ada@Example.com", "Shoe": 9}
    made = client.post("contacts", json=sent)
    assert made.status_code == 201
    contact = made.json()
    assert (contact["FirstName"], contact["Email"], "Shoe" in contact) == ("Ada", "ada@example.com", False)
    for method in ("PATCH", "PUT"):
        changed = client.request(method, f"contacts('{contact['Id']}')", json={"Company": method}).json()
        assert changed == contact | {"Company": method}
    deal = client.post("transactions", json={"PropertyAddress": "1 Elm St, Reno, NV", "ContactId": contact["Id"]})
    assert client.get(f"transactions('{deal.json()['Id']}')").json() == deal.json()
    assert client.delete(f"contacts('{contact['Id']}')").status_code == 204
    assert client.get(f"contacts('{contact['Id']}')").status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("contacts", {"LastName": "X", "Email": "nonsense"}),
        ("contacts", {"LastName": "X", "Status": "asleep"}),
        ("contacts", {"LastName": 7}),
        ("contacts", {"Shoe": 9}),
        ("transactions", {"SalesPrice": "a lot"}),
        ("transactions", {"CloseDate": "soon"}),
        ("transactions", {"ContactId": "C-0"}),
    ],
)
def test_what_cannot_be_is_400(sandbox: Sandbox, client: httpx.Client, path: str, body: dict[str, object]) -> None:
    before = sandbox.crm("topproducer").store.count(path)
    refused = client.post(path, json=body)
    assert (refused.status_code, list(refused.json())) == (400, ["error"])
    assert sandbox.crm("topproducer").store.count(path) == before
