"""Writes to Zoho CRM, line by line: fact sheet 3.3 and 3.6."""

from __future__ import annotations

from typing import Any

import emulated
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.sandbox.clock import iso_seconds, parse_time
from pipelines.sandbox.crms.zoho import schema
from pipelines.sandbox.server import Sandbox

CRM, PEOPLE = "zoho", 40


def send(client: httpx.Client, path: str, *rows: Any, method: str = "POST", **more: Any) -> httpx.Response:
    headers = more.pop("headers", None)
    return client.request(method, path, json={"data": list(rows)} | more, headers=headers)


def made(client: httpx.Client, module: str = "Contacts", **fields: Any) -> str:
    answered = send(client, module, {"Last_Name": "Okoro"} | fields)
    assert answered.status_code == 201, answered.text
    return str(answered.json()["data"][0]["details"]["id"])


def read(client: httpx.Client, id: str, module: str = "Contacts") -> dict[str, Any]:
    return dict(client.get(f"{module}/{id}").json()["data"][0])


def codes(answered: httpx.Response) -> list[str]:
    return [row["code"] for row in answered.json()["data"]]


def test_users_are_changed(client: httpx.Client, sandbox: Sandbox) -> None:
    """Specification v8.0, users: up to ten by /users, one by its path; a deleted one is not changed."""
    one, two = client.get("users").json()["users"][:2]

    def put(path: str, *rows: Any) -> tuple[int, list[str]]:
        answered = client.put(path, json={"users": list(rows)})
        body = answered.json()
        return answered.status_code, [row["code"] for row in body.get("users", [body])]

    rows = [{"id": one["id"], "mobile": " 555-0100 "}, {"id": two["id"], "last_name": "Lima", "full_name": "No"}]
    assert put("users", *rows) == (200, ["SUCCESS", "SUCCESS"])
    after = {user["id"]: user for user in client.get("users").json()["users"]}
    assert after[one["id"]]["mobile"] == "555-0100"
    assert after[two["id"]]["full_name"] == f"{two['first_name']} Lima"
    assert put(f"users/{one['id']}", {"phone": "1"}, {"phone": "2"}) == (400, ["INVALID_DATA"])
    assert put("users", *[rows[0]] * 11) == (400, ["INVALID_DATA"])
    assert put("users", {"phone": "1"}) == (400, ["MANDATORY_NOT_FOUND"])
    assert put("users", {"id": "1", "phone": "1"}) == (400, ["INVALID_DATA"])
    assert put("users", {"id": one["id"], "role": {"id": "1"}}) == (400, ["NOT_ALLOWED"])
    assert put(f"users/{one['id']}", {"phone": "1" * 31}) == (400, ["INVALID_DATA"])
    crm = sandbox.crm(CRM)
    crm.edit(crm.store.select("users", "id = ?", [two["id"]])[0], {"status": "deleted"})
    assert put("users", rows[0], {"id": two["id"], "phone": "1"}) == (207, ["SUCCESS", "NOT_ALLOWED"])


def test_insert(client: httpx.Client) -> None:
    """3.3: POST -> 201, a row result with id, times and users."""
    given = {"First_Name": " Ada ", "Last_Name": "Okoro", "Email": "Ada@Example.com", "Nonsense": 1}
    answered = send(client, "Contacts", given, trigger=[])
    (row,) = answered.json()["data"]
    assert (answered.status_code, row["code"], row["message"], row["status"]) == (
        *(201, "SUCCESS", "record added"),
        "success",
    )
    assert {"Modified_Time", "Modified_By", "Created_Time", "id", "Created_By"} <= set(row["details"])
    contact = read(client, row["details"]["id"])
    assert (contact["Full_Name"], contact["First_Name"], contact["Email"]) == ("Ada Okoro", "Ada", "ada@example.com")
    assert contact["Owner"]["id"] == schema.API_USER
    assert "Nonsense" not in contact


def test_update_by_row_and_by_path(client: httpx.Client) -> None:
    """3.3: PUT /{module} (ids in rows) or /{id} -> 200; only what is sent changes."""
    one, two = made(client, Rating=4), made(client)
    answered = send(client, "Contacts", {"id": one, "Title": "Nurse"}, {"id": two, "Title": "Chef"}, method="PUT")
    assert (answered.status_code, codes(answered)) == (200, ["SUCCESS"] * 2)
    assert answered.json()["data"][0]["message"] == "record updated"
    assert send(client, f"Contacts/{one}", {"Mobile": "253 201 4567"}, method="PUT").status_code == 200
    contact = read(client, one)
    assert (contact["Title"], contact["Mobile"], contact["Rating"]) == ("Nurse", "253 201 4567", 4)
    assert send(client, f"Contacts/{one}", {"Title": None}, method="PUT").status_code == 200
    assert read(client, one)["Title"] is None


def test_delete_by_ids_and_by_path(client: httpx.Client) -> None:
    """3.3: DELETE ?ids=a,b (<= 100) or /{id} -> 200."""
    ids = [made(client) for _ in range(3)]
    answered = client.delete("Contacts", params={"ids": ",".join(ids[:2])})
    assert (answered.status_code, codes(answered)) == (200, ["SUCCESS"] * 2)
    assert answered.json()["data"][0]["message"] == "record deleted"
    assert client.delete(f"Contacts/{ids[2]}").status_code == 200
    again = client.delete("Contacts", params={"ids": f"{ids[0]},{made(client)}"})
    assert (again.status_code, codes(again)) == (207, ["INVALID_DATA", "SUCCESS"])
    assert client.delete("Contacts").json()["code"] == "REQUIRED_PARAM_MISSING"
    many = ",".join(str(schema.FIRST_NEW + n) for n in range(101))
    assert client.delete("Contacts", params={"ids": many}).json()["code"] == "LIMIT_EXCEEDED"


def test_a_mixed_batch_is_207_in_input_order(sandbox: Sandbox, client: httpx.Client) -> None:
    """3.3: partial failure: 207, good rows and bad ones in input order; which status differs between versions."""
    rows = ({"Last_Name": "One"}, {"First_Name": "Two"}, {"Last_Name": "Three"})
    answered = send(client, "Contacts", *rows)
    assert (answered.status_code, codes(answered)) == (207, ["SUCCESS", "MANDATORY_NOT_FOUND", "SUCCESS"])
    assert answered.json()["data"][1] == {
        "code": "MANDATORY_NOT_FOUND",
        "details": {"api_name": "Last_Name", "json_path": "$.data[1].Last_Name"},
        "message": "required field not found",
        "status": "error",
    }
    sandbox.crm("zoho").switches["mixed_status"] = 200
    assert send(client, "Contacts", *rows).status_code == 200


@pytest.mark.parametrize(
    ("module", "row", "code", "field"),
    [
        ("Contacts", {"First_Name": "Ada"}, "MANDATORY_NOT_FOUND", "Last_Name"),
        ("Contacts", {"Last_Name": ""}, "MANDATORY_NOT_FOUND", "Last_Name"),
        ("Contacts", {"Last_Name": 7}, "INVALID_DATA", "Last_Name"),
        ("Contacts", {"Last_Name": "X" * 81}, "INVALID_DATA", "Last_Name"),
        ("Contacts", {"Last_Name": "X", "Email": "nonsense"}, "INVALID_DATA", "Email"),
        ("Contacts", {"Last_Name": "X", "Lead_Source": "Mars"}, "INVALID_DATA", "Lead_Source"),
        ("Contacts", {"Last_Name": "X", "Rating": "4"}, "INVALID_DATA", "Rating"),
        ("Contacts", {"Last_Name": "X", "Email_Opt_Out": 1}, "INVALID_DATA", "Email_Opt_Out"),
        ("Contacts", {"Last_Name": "X", "Date_of_Birth": "soon"}, "INVALID_DATA", "Date_of_Birth"),
        ("Contacts", {"Last_Name": "X", "Owner": {"id": "1"}}, "INVALID_DATA", "Owner"),
        ("Deals", {"Deal_Name": "D"}, "MANDATORY_NOT_FOUND", "Stage"),
        ("Deals", {"Deal_Name": "D", "Stage": "Offer", "Contact_Name": {"id": "1"}}, "INVALID_DATA", "Contact_Name"),
    ],
)
def test_a_single_bad_row_is_400(client: httpx.Client, module: str, row: dict[str, Any], code: str, field: str) -> None:
    """3.3: single-row failure 400. 3.6: details have api_name and expected_data_type."""
    answered = send(client, module, row)
    assert (answered.status_code, codes(answered)) == (400, [code])
    assert answered.json()["data"][0]["details"]["api_name"] == field


def test_bodies_that_are_no_batches(client: httpx.Client) -> None:
    """3.3: at most 100 rows."""
    for body in ({"data": [{"Last_Name": "A"}] * 101}, {"data": []}, {}, []):
        answered = client.post("Contacts", json=body)
        assert (answered.status_code, answered.json()["status"]) == (400, "error")
    assert client.post("Contacts", content=b"{").status_code == 400
    assert codes(send(client, "Contacts", 7, {"Last_Name": "A"})) == ["INVALID_DATA", "SUCCESS"]


def test_upsert(client: httpx.Client) -> None:
    """3.3: 200, action and duplicate_field; update "record updated", insert with duplicate_field null."""
    id = made(client, Email="ada@example.com")
    rows = ({"Last_Name": "Eze", "Email": "ADA@example.com"}, {"Last_Name": "New", "Email": "new@example.com"})
    answered = send(client, "Contacts/upsert", *rows, duplicate_check_fields=["Email"])
    assert answered.status_code == 200
    first, second = answered.json()["data"]
    assert (first["action"], first["duplicate_field"], first["message"]) == ("update", "Email", "record updated")
    assert (second["action"], second["duplicate_field"], second["message"]) == ("insert", None, "record added")
    assert first["details"]["id"] == id
    assert read(client, id)["Last_Name"] == "Eze"


def test_upsert_checks_the_default_fields(client: httpx.Client) -> None:
    """3.3: default check fields: Contacts Email, Accounts Account_Name, Deals Deal_Name, then unique ones."""
    made(client, Email="ada@example.com")
    made(client, External_Id="X1")
    for module, row, field in (
        ("Contacts", {"Last_Name": "A", "Email": "ada@example.com"}, "Email"),
        ("Contacts", {"Last_Name": "A", "External_Id": "X1"}, "External_Id"),
        ("Accounts", {"Account_Name": "Acme"}, None),
        ("Accounts", {"Account_Name": "acme"}, "Account_Name"),
        ("Deals", {"Deal_Name": "D", "Stage": "Offer"}, None),
        ("Deals", {"Deal_Name": "D", "Amount": 5}, "Deal_Name"),
    ):
        (outcome,) = send(client, f"{module}/upsert", row).json()["data"]
        assert outcome["duplicate_field"] == field, row
    refused = send(client, "Contacts/upsert", {"Last_Name": "A"}, duplicate_check_fields=["Nothing"])
    assert (refused.status_code, refused.json()["code"]) == (400, "INVALID_DATA")


def test_upsert_of_one_address_twice_makes_one_record(client: httpx.Client) -> None:
    rows = [{"Last_Name": f"N{n}", "Email": "twice@example.com"} for n in range(2)]
    actions = [row["action"] for row in send(client, "Contacts/upsert", *rows).json()["data"]]
    assert actions == ["insert", "update"]


def test_a_unique_field_may_not_repeat(client: httpx.Client) -> None:
    """3.3: DUPLICATE_DATA with details {api_name, duplicate_record: {id}}."""
    id, other = made(client, External_Id="X1"), made(client, External_Id="X2")
    refused = send(client, "Contacts", {"Last_Name": "A", "External_Id": "x1"})
    assert (refused.status_code, codes(refused)) == (400, ["DUPLICATE_DATA"])
    details = refused.json()["data"][0]["details"]
    assert (details["api_name"], details["duplicate_record"]["id"], details["id"]) == ("External_Id", id, id)
    assert codes(send(client, f"Contacts/{other}", {"External_Id": "X1"}, method="PUT")) == ["DUPLICATE_DATA"]
    assert codes(send(client, f"Contacts/{id}", {"External_Id": "X1"}, method="PUT")) == ["SUCCESS"]


def test_external_ids(client: httpx.Client) -> None:
    """3.3: header X-EXTERNAL: Contacts.External_Id, then the external value as id in URL or rows."""
    id, header = made(client, External_Id="X1"), {"X-EXTERNAL": "Contacts.External_Id"}
    assert client.get("Contacts/X1", headers=header).json()["data"][0]["id"] == id
    assert send(client, "Contacts/X1", {"Title": "Chef"}, method="PUT", headers=header).status_code == 200
    row = {"External_Id": "X1", "Mobile": "1"}
    assert send(client, "Contacts", row, method="PUT", headers=header).status_code == 200
    assert (read(client, id)["Title"], read(client, id)["Mobile"]) == ("Chef", "1")


def test_the_guard_against_overwriting(sandbox: Sandbox, client: httpx.Client) -> None:
    """3.3: If-Unmodified-Since on update -> 412 RECORD_MODIFIED."""
    crm, id = sandbox.crm("zoho"), made(client)
    read_at = iso_seconds(parse_time(read(client, id)["Modified_Time"])).replace("Z", "+00:00")
    guard = {"If-Unmodified-Since": read_at}
    assert send(client, f"Contacts/{id}", {"Title": "A"}, method="PUT", headers=guard).status_code == 200
    crm.clock.advance(5)
    crm.edit(crm.store.select("Contacts", "id = ?", [id])[0], {"Title": "by somebody"})
    refused = send(client, f"Contacts/{id}", {"Title": "B"}, method="PUT", headers=guard)
    assert (refused.status_code, codes(refused)) == (412, ["RECORD_MODIFIED"])
    assert read(client, id)["Title"] == "by somebody"


def test_writes_of_records_that_are_not_there(client: httpx.Client) -> None:
    gone = made(client)
    client.delete(f"Contacts/{gone}")
    for row in ({"id": gone, "Title": "A"}, {"Title": "A"}):
        assert send(client, "Contacts", row, method="PUT").status_code == 400
    assert send(client, f"Contacts/{gone}", {"Title": "A"}, method="PUT").status_code == 400


def test_a_deal_and_its_lookups(client: httpx.Client) -> None:
    """3.3: lookup Contact_Name: {id} on the deal."""
    contact = made(client, First_Name="Ada")
    deal = {"Deal_Name": "12 High St", "Stage": "Offer", "Amount": 350000, "Contact_Name": {"id": contact}}
    id = made(client, "Deals", **deal, Closing_Date="2026-09-30")
    body = read(client, id, "Deals")
    assert body["Contact_Name"] == {"name": "Ada Okoro", "id": contact}
    send(client, f"Deals/{id}", {"Contact_Name": None, "Stage": "Closed Won"}, method="PUT")
    assert (read(client, id, "Deals")["Contact_Name"], read(client, id, "Deals")["Stage"]) == (None, "Closed Won")


def test_contact_roles(client: httpx.Client) -> None:
    """3.3: PUT /Deals/{id}/Contact_Roles[/{contact}], GET, GET /Contacts/roles."""
    roles = {role["name"]: role["id"] for role in client.get("Contacts/roles").json()["contact_roles"]}
    one, two = made(client), made(client)
    path = f"Deals/{made(client, 'Deals', Deal_Name='D', Stage='Offer')}/Contact_Roles"
    assert client.get(path).status_code == 204
    role = {"Contact_Role": {"name": "Partner", "id": roles["Partner"]}}
    assert send(client, f"{path}/{one}", role, method="PUT").status_code == 200
    rows = ({"id": two, "Contact_Role": {"name": "Seller"}}, {"id": "1", "Contact_Role": {"name": "Seller"}})
    answered = send(client, path, *rows, method="PUT")
    assert (answered.status_code, codes(answered)) == (207, ["SUCCESS", "INVALID_DATA"])
    listed = client.get(path).json()
    assert [(row["id"], row["Contact_Role"]["name"]) for row in listed["data"]] == [(one, "Partner"), (two, "Seller")]
    assert listed["info"]["count"] == 2
    assert codes(client.delete(f"{path}/{one}")) == ["SUCCESS"]
    assert [row["id"] for row in client.get(path).json()["data"]] == [two]


def test_the_seed_has_contact_roles() -> None:
    client = emulated.client(emulated.emulated(CRM, 150), CRM)
    deals = client.get("Deals", params={"fields": "Contact_Name"}).json()["data"]
    found = [client.get(f"Deals/{deal['id']}/Contact_Roles").json()["data"] for deal in deals]
    assert all(
        deal["Contact_Name"]["id"] in [row["id"] for row in rows] for deal, rows in zip(deals, found, strict=True)
    )
    assert {row["Contact_Role"]["name"] for rows in found for row in rows} >= {"Client", "Partner"}


@given(
    st.dictionaries(
        st.sampled_from(["First_Name", "Title", "Mobile", "Email", "Description", "Mailing_City"]),
        st.none() | st.text(max_size=30) | st.from_regex(r"[A-Za-z]{1,8}@[A-Za-z]{2,8}\.COM", fullmatch=True),
        min_size=1,
    )
)
@settings(max_examples=60, deadline=None)
def test_putting_down_again_changes_nothing(lasting: httpx.Client, body: dict[str, str | None]) -> None:
    """What is kept of a write is a write that leaves it as it is (the ground of law L4)."""
    id = lasting.get("Contacts", params={"fields": "id"}).json()["data"][0]["id"]
    answered = send(lasting, f"Contacts/{id}", body, method="PUT")
    if answered.status_code == 400:
        assert answered.json()["data"][0]["details"]["api_name"] in body
        return
    first = read(lasting, id)
    assert send(lasting, f"Contacts/{id}", {name: first[name] for name in body}, method="PUT").status_code == 200
    second = read(lasting, id)
    assert {name: second[name] for name in body} == {name: first[name] for name in body}
