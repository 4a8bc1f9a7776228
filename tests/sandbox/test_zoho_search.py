"""Zoho CRM, line by line: fact sheet 3.2, search and COQL."""

from __future__ import annotations

import httpx
import pytest
from emulated import zoho_pages, zoho_refusal

from pipelines.sandbox.clock import parse_time
from pipelines.sandbox.crms.zoho import oauth
from pipelines.sandbox.server import Sandbox

CRM, PEOPLE = "zoho", 60

REFRESH = {
    "grant_type": "refresh_token", "refresh_token": oauth.REFRESH_TOKEN, "client_id": oauth.CLIENT_ID,
    "client_secret": oauth.CLIENT_SECRET,
}  # fmt: skip
MOUNT = "http://sandbox/zoho"


def test_search(sandbox: Sandbox, client: httpx.Client) -> None:
    """3.2: /search?criteria=(Email:equals:a@b.c)|email=|phone=|word=."""
    everybody = zoho_pages(client, fields="Last_Name,Email,Rating,Mobile,Owner,Modified_Time")
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
    assert zoho_refusal(client.get("Contacts/search", params=asked)) == (400, refusal)


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
    deals = zoho_pages(client, "Deals", fields="Deal_Name,Amount,Stage,Contact_Name,Modified_Time")
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
    assert zoho_refusal(query(client, text)) == (400, refusal)
