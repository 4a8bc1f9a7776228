"""The unified CRM's contract, row by row, over a published file at hand; syncs are in test_connectors and the demo."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from published_world import publish_world
from starlette.testclient import TestClient

from pipelines.service.background import Background
from pipelines.service.unified.exports import safe

ROUTES = ("unified", "local", "exports", "webhooks")
STORES = ("sqlite",)
BASE = "/api/crm/integrations"
CONTACT = {"id", "source", "source_id", "first_name", "last_name", "email", "phone", "company", "status", "rating",
           "updated_at", "metadata"}  # fmt: skip
DEAL = {"id", "source", "source_id", "name", "amount", "currency", "stage", "probability", "close_date",
        "property_address", "sales_price", "status", "contact_ids", "updated_at", "metadata"}  # fmt: skip
EVIL = "=cmd|' /C calc'!A0"
PEOPLE = [
    {"connection": "brivity", "source_id": "70001", "golden": "c_1", "first_name": "Ann", "last_name": "Hill",
     "email": "ann@example.com", "phone": "+15551234567", "status": "lead", "rating": "A", "company": EVIL,
     "modified_at": "2026-02-01T10:00:00Z", "tags": ["vip", "buyer"]},
    {"connection": "topproducer", "source_id": "C-1", "golden": "c_1", "first_name": "Anne", "last_name": "Hill"},
    {"connection": "brivity", "source_id": "70002", "golden": "c_2", "first_name": "Bob", "last_name": "Stone",
     "status": "client", "modified_at": "2026-01-05T00:00:00Z"},
    {"connection": "brivity", "source_id": "70003", "golden": "c_3", "first_name": "Gone", "is_deleted": True},
]  # fmt: skip
DEALS = [
    {"connection": "topproducer", "source_id": "T-1", "golden": "d_1", "property_address": "1 Main St",
     "close_price": 500000.5, "status": "won", "close_date": "2026-03-01", "contact_ids": ["topproducer:C-1"]},
]  # fmt: skip


@pytest.fixture
def client(serve: Any, context_of: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(Background, "changed", lambda *_, **__: None)
    with serve(JWT_SECRET="a secret of the tests, thirty-two bytes or more") as started:
        context = context_of(started)
        publish_world(context.owner_of("ann"), context.schemas, contacts=PEOPLE, deals=DEALS)
        yield started


@pytest.fixture
def get(client: TestClient, bearer: Any) -> Any:
    return lambda path, **more: client.get(f"{BASE}{path}", headers=bearer("ann"), **more)


def test_cached_data(get: Any) -> None:
    """`GET /cached-data?source=`; the keys brivity, topproducer and local are always there."""
    told = get("/cached-data").json()
    assert told["success"] is True
    assert set(told["data"]) == {"brivity", "topproducer", "local"}
    assert {key: len(told["data"]["brivity"][key]) for key in ("contacts", "deals")} == {"contacts": 2, "deals": 0}
    assert told["data"]["local"] == {"contacts": [], "deals": [], "lastSync": None, "syncStatus": "idle"}
    assert set(get("/cached-data?source=topproducer").json()["data"]) == {"topproducer"}


def test_a_contact_and_a_deal_have_the_contracts_fields(get: Any) -> None:
    contact, *_ = get("/contacts?source=brivity").json()["contacts"]
    assert set(contact) >= CONTACT
    assert contact["metadata"]["id"] == "70001"
    assert contact["metadata"]["record"]["theirs"]["first_name"] == "Ann"
    assert {k: contact[k] for k in ("id", "source", "source_id", "rating", "updated_at")} == {
        "id": "c_1", "source": "brivity", "source_id": "70001", "rating": "A", "updated_at": "2026-02-01T10:00:00.000Z",
    }  # fmt: skip
    other = get("/contacts?source=topproducer").json()["contacts"][0]
    assert (other["id"], other["email"], other["rating"]) == ("c_1", None, None)
    (deal,) = get("/deals?source=topproducer").json()["deals"]
    assert set(deal) >= DEAL
    assert (deal["sales_price"], deal["close_date"], deal["contact_ids"]) == (500000.5, "2026-03-01", ["c_1"])


def test_pages(get: Any) -> None:
    """`GET /contacts`: optional limit, cursor."""
    whole = get("/contacts").json()
    assert (whole["count"], "nextCursor" in whole) == (3, False)
    seen, cursor = [], ""
    while cursor is not None:
        page = get(f"/contacts?limit=2{f'&cursor={cursor}' if cursor else ''}").json()
        seen += page["contacts"]
        cursor = page["nextCursor"]
    assert seen == whole["contacts"]
    assert get("/contacts?limit=0").status_code == 400
    assert get("/contacts?cursor=%FF").status_code == 400


def test_search(get: Any) -> None:
    """`GET /search`: the same three keys always; q under 2 characters: 400."""
    told = get("/search?q=hill").json()
    assert (told["query"], told["type"], told["total"]) == ("hill", "contact", 2)
    assert {name: len(rows) for name, rows in told["results"].items()} == {"brivity": 1, "topproducer": 1, "local": 0}
    assert get("/search?q=main&type=deal").json()["results"]["topproducer"][0]["property_address"] == "1 Main St"
    for q in ("", "a", " a "):
        refused = get("/search", params={"q": q})
        assert refused.status_code == 400
        assert refused.json() == {"error": "Query must be at least 2 characters", "statusCode": 400}
    assert get("/search?q=hill&type=house").status_code == 400


def test_sync_status(get: Any) -> None:
    status = get("/sync-status").json()["status"]
    assert status["brivity"] == {"status": "idle", "lastSync": None, "contactCount": 2, "dealCount": 0}
    assert set(status) == {"brivity", "topproducer", "local"}


@pytest.mark.parametrize(
    "path", ["/contacts?source=pipedrive", "/cached-data?source=x", "/sources/nope", "/deals?source="]
)
def test_an_unknown_source_says_which_exist(get: Any, path: str) -> None:
    refused = get(path)
    assert refused.status_code == 404
    assert "brivity" in refused.json()["details"]
    assert "local" in refused.json()["details"]


def test_calls_that_need_no_body(client: TestClient, bearer: Any) -> None:
    """A POST without a body is fine; what is not connected says so."""
    for path in ("/sync/topproducer", "/test/topproducer"):
        refused = client.post(f"{BASE}{path}", headers=bearer("ann"))
        assert refused.status_code == 400
        assert "not connected" in refused.json()["error"]
    assert client.post(f"{BASE}/test/local", headers=bearer("ann")).json()["success"] is True


def test_so_many_calls_a_minute(serve: Any, bearer: Any) -> None:
    with serve(
        JWT_SECRET="a secret of the tests, thirty-two bytes or more", UNIFIED_RATE_LIMIT_PER_MINUTE="3"
    ) as client:
        codes = [client.get(f"{BASE}/segments", headers=bearer("ann")).status_code for _ in range(4)]
        assert codes == [200, 200, 200, 429]
        assert client.get(f"{BASE}/segments", headers=bearer("bob")).status_code == 200


def test_settings_of_a_source(client: TestClient, get: Any, bearer: Any) -> None:
    """`GET`, `PATCH /sources/{source}`."""
    assert get("/sources/brivity").json() == {"enabled": True, "interval_minutes": None, "cache_ttl_minutes": None}
    change = lambda body: client.patch(f"{BASE}/sources/brivity", json=body, headers=bearer("ann"))  # noqa: E731
    assert change({"interval_minutes": 30}).json()["interval_minutes"] == 30
    assert change({"enabled": False, "cache_ttl_minutes": 5}).json() == {
        "enabled": False, "interval_minutes": 30, "cache_ttl_minutes": 5,
    }  # fmt: skip
    assert get("/sources/brivity").json()["interval_minutes"] == 30
    assert change({"interval_minutes": None}).json()["interval_minutes"] is None
    for wrong in (
        {"interval_minutes": 0},
        {"enabled": None},
        {"enabled": "yes"},
        {"more": 1},
        {"interval_minutes": 1.5},
    ):
        assert change(wrong).status_code == 400, wrong


def test_local_records(client: TestClient, get: Any, bearer: Any) -> None:
    """`POST /local/contacts`, `/local/deals`, `/local/properties`; `GET`, `PATCH`, `DELETE` on each id."""
    mine = bearer("ann")
    fields = {
        "first_name": "Lou",
        "phone": "(555) 987-6543",
        "email": "LOU@Example.com",
        "tags": ["a"],
        "status": "Past Client",
    }
    made = client.post(f"{BASE}/local/contacts", json=fields, headers=mine)
    assert made.status_code == 201
    contact = made.json()["contact"]
    assert (contact["phone"], contact["email"], contact["status"]) == ("+15559876543", "lou@example.com", "past_client")
    where = f"{BASE}/local/contacts/{contact['id']}"
    assert get("/search?q=5559876543").json()["results"]["local"][0]["source_id"] == contact["id"]
    changed = client.patch(where, json={"first_name": "Louise", "tags": None}, headers=mine).json()["contact"]
    assert changed["first_name"] == "Louise"
    assert "tags" not in changed
    assert get("/search?q=louise").json()["total"] == 1
    assert [c["first_name"] for c in get("/contacts?source=local").json()["contacts"]] == ["Louise"]
    deal = {"name": "Lake House", "amount": 10.5, "contact_ids": [contact["id"], "c_9"]}
    assert client.post(f"{BASE}/local/deals", json=deal, headers=mine).status_code == 400
    deal["contact_ids"] = [contact["id"]]
    assert client.post(f"{BASE}/local/deals", json=deal, headers=mine).json()["deal"]["contact_ids"] == [contact["id"]]
    house = {"address": "1 Lake Rd", "bedrooms_total": 3}
    assert client.post(f"{BASE}/local/properties", json=house, headers=mine).status_code == 201
    assert get("/deals?source=local").json()["deals"][0]["amount"] == 10.5
    assert client.delete(where, headers=mine).json() == {"success": True}
    for method in ("GET", "PATCH", "DELETE"):
        assert client.request(method, where, headers=mine, json={"last_name": "x"}).status_code == 404
    assert get("/search?q=louise").json()["total"] == 0
    assert get("/contacts?source=local").json()["count"] == 0


WRONG: list[Any] = [
    {}, [], "x", {"first_nam": "x"}, {"first_name": 5}, {"email": "no address"}, {"phone": "call me"},
    {"status": "odd"}, {"birth_date": "yesterday"}, {"tags": "vip"}, {"do_not_call": "yes"},
    {"created_at": "2026-01-01T00:00:00Z"}, {"first_name": "a\x00b"}, {"owner_id": "u_1"}, {"id": "x"},
    {"first_name": None},
]  # fmt: skip


@pytest.mark.parametrize("fields", WRONG)
def test_fields_that_are_none(client: TestClient, bearer: Any, fields: Any) -> None:
    answer = client.post(f"{BASE}/local/contacts", json=fields, headers=bearer("ann"))
    assert answer.status_code == 400, answer.text
    assert answer.json()["statusCode"] == 400


def test_exports(get: Any, tmp_path: Path) -> None:
    """`GET /export`: csv, xlsx, parquet, the same rows; safe against formula injection."""
    openpyxl = pytest.importorskip("openpyxl")
    text = get("/export?entity=contacts").content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["contact_id"] for row in rows] == ["c_1", "c_2"]
    assert (rows[0]["company"], rows[0]["phone"], rows[0]["tags"]) == (f"'{EVIL}", "+15551234567", "vip; buyer")
    book = tmp_path / "export.xlsx"
    book.write_bytes(get("/export?entity=contacts&format=xlsx").content)
    sheet = openpyxl.load_workbook(book).active
    names = [cell.value for cell in sheet[1]]
    evil = sheet[2][names.index("company")]
    assert (evil.value, evil.data_type) == (EVIL, "s")
    parquet = tmp_path / "export.parquet"
    parquet.write_bytes(get("/export?entity=deals&format=parquet").content)
    assert duckdb.execute(f"select deal_id, close_price from '{parquet}'").fetchall() == [("d_1", 500000.5)]
    assert get("/export?entity=properties").content.decode("utf-8-sig").startswith("property_id,")
    assert get("/export?entity=contacts&format=pdf").status_code == 400


@pytest.mark.parametrize(
    ("filters", "ids"),
    [("status=lead", ["c_1"]), ("status=LEAD&status=client", ["c_1", "c_2"]), ("source=topproducer", ["c_1"]),
     ("changed_since=2026-01-10T00:00:00Z", ["c_1"]), ("tags=VIP", ["c_1"]), ("last_name=stone&status=client", ["c_2"]),
     ("company=~", ["c_2"]), ("phone=%2B15551234567", ["c_1"]), ("last_name=nobody", [])],
)  # fmt: skip
def test_filters(get: Any, filters: str, ids: list[str]) -> None:
    text = get(f"/export?{filters}").content.decode("utf-8-sig")
    assert [row["contact_id"] for row in csv.DictReader(io.StringIO(text))] == ids


@pytest.mark.parametrize(
    "filters", ["colour=red", "changed_since=soon", "birth_date=x", "do_not_call=maybe", "first_name=%00"]
)
def test_filters_that_are_none(get: Any, filters: str) -> None:
    assert get(f"/export?{filters}").status_code == 400


def test_segments(client: TestClient, get: Any, bearer: Any) -> None:
    """`GET`, `POST`, `DELETE /segments`, and an export of one."""
    body = {"name": "hot", "entity": "contacts", "filters": {"status": ["lead", "new"], "tags": "vip"}}
    assert client.post(f"{BASE}/segments", json=body, headers=bearer("ann")).status_code == 201
    assert [one["name"] for one in get("/segments").json()["segments"]] == ["hot"]
    assert "c_1" in get("/export?segment=hot").text
    assert "c_1" not in get("/export?segment=hot&last_name=stone").text
    assert get("/export?segment=hot&entity=deals").status_code == 400
    assert get("/export?segment=cold").status_code == 404
    wrong = {"name": "x", "entity": "contacts", "filters": {"colour": "red"}}
    assert client.post(f"{BASE}/segments", json=wrong, headers=bearer("ann")).status_code == 400
    assert client.delete(f"{BASE}/segments/hot", headers=bearer("ann")).json() == {"success": True}
    assert get("/segments").json()["segments"] == []


def test_audit(client: TestClient, get: Any, bearer: Any) -> None:
    """`GET /audit`: who did what, when, from where, to which records."""
    made = client.post(f"{BASE}/local/contacts", json={"first_name": "Lou"}, headers=bearer("ann")).json()["contact"]
    get("/export")
    newest, older, *_ = get("/audit").json()["audit"]
    assert (newest["what"], older["what"], older["who"]) == ("export", "local.create", "ann")
    assert older["records"]["ids"] == [made["id"]]
    assert older["address"] == "testclient"
    assert older["request_id"]
    first = get("/audit?limit=1").json()
    second = get(f"/audit?limit=1&cursor={first['nextCursor']}").json()
    assert (first["audit"], second["audit"]) == ([newest], [older])
    assert get("/audit?cursor=x").status_code == 400


@pytest.mark.parametrize("cell", ["=1+1", "+SUM(A1)", "-2+3", "@x", "\t=1", "\r=1", "\n=1", "＝1"])
def test_cells_that_a_spreadsheet_would_run(cell: str) -> None:
    assert safe(cell) == f"'{cell}"
    assert safe("+15551234567") == "+15551234567"
    assert safe(-5) == -5
