"""Views of a mapping, and the external CRM's, held against the table of its contract."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from raw_log import Version, log, rows

from pipelines.connections.connection import Connection, Settings
from pipelines.connections.owner import Owner
from pipelines.mapping.language import Mapping
from pipelines.mapping.load import load_mapping, load_schemas
from pipelines.staging.stage import stage

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = load_schemas(ROOT / "schemas")
MAPPING = load_mapping(ROOT / "mappings" / "external.yml", SCHEMAS)
ADA = "628123456789@c.us"
RECORD = {
    "phone": ADA, "name": "John Doe", "company": "Acme Corp", "event_name": "Tech Conference 2025",
    "ticket_price": 150000, "capacity": 500, "status": "deal", "notes": "VIP", "phone_1": "08123456780",
    "phone_2": "+62 21 5551234", "instagram": "@acme", "sales_rep": "Budi", "task_status": "todo",
    "meeting_date": "2025-02-15T10:00:00Z", "sale_date": "2025-03-01T00:00:00Z", "event_date": "2025-06-20T09:00:00Z",
}  # fmt: skip
OTHER_NAMES = {
    "phone": "whatsapp_id", "name": "contact_name", "company": "organization", "ticket_price": "price",
    "capacity": "venue_size", "status": "deal_stage", "notes": "description", "phone_1": "contact_phone",
    "instagram": "social_media", "sales_rep": "assigned_to",
}  # fmt: skip


def connection(owner: Owner, mapping: Mapping = MAPPING, name: str = "external") -> Connection:
    wire = mapping.connection.model_copy(update={"phone_region": "ID"})  # the default of the mapping's variable
    return Connection(name, owner, mapping, Settings(), True, wire)


def changed(**entity: Any) -> Mapping:
    """The mapping with other words in its contacts and deals."""
    entities = {name: block.model_copy(update=entity) for name, block in MAPPING.entities.items()}
    return MAPPING.model_copy(update={"entities": entities})


def staged(
    con: duckdb.DuckDBPyConnection, of: Connection, *records: dict[str, Any], seen: float = 0
) -> list[dict[str, Any]]:
    """The view's rows after the CRM answered these records."""
    for entity in ("contacts", "deals"):
        versions = []
        for record in records:
            id = str(record.get("phone") or record["whatsapp_id"])
            key = id if entity == "contacts" else f"{id}|{record.get('event_name')}"
            if entity == "contacts" or record.get("event_name"):
                versions.append(Version(key, record, seen=seen, load=f"load-{seen}"))
        log(of.owner, of.name, entity, versions)
    stage(con, of, SCHEMAS)
    return rows(con, "views.external_contacts")


EXPECTED = {
    "id": ADA, "nama": "John Doe", "instansi": "Acme Corp", "event": "Tech Conference 2025", "ticketPrice": 150000,
    "capacity": 500, "dealStatus": "deal", "notes": "VIP", "cpFirst": "08123456780", "cpSecond": "+62 21 5551234",
    "igLink": "@acme", "pic": "Budi", "status": "todo", "meetingDate": datetime(2025, 2, 15, 10, tzinfo=UTC),
    "ticketSaleDate": datetime(2025, 3, 1, tzinfo=UTC), "eventDayDate": datetime(2025, 6, 20, 9, tzinfo=UTC),
}  # fmt: skip


@pytest.mark.parametrize("names", [{}, OTHER_NAMES])
def test_the_table_of_the_contract(con: duckdb.DuckDBPyConnection, owner: Owner, names: dict[str, str]) -> None:
    """External-CRM contract: alternatives in order; the assistant's names are the columns, ours are underneath."""
    record = {names.get(name, name): value for name, value in RECORD.items()}
    found = staged(con, connection(owner), record)
    assert [{**row, **{k: v.astimezone(UTC) for k, v in row.items() if isinstance(v, datetime)}} for row in found] == [
        EXPECTED
    ]
    assert list(found[0]) == list(EXPECTED)
    contact, deal = rows(con, "staging.external__contacts")[0], rows(con, "staging.external__deals")[0]
    assert (contact["phone"], contact["phones"]) == ("+628123456789", ["+62215551234", "+628123456780"])
    assert (deal["amount"], deal["stage"], deal["close_date"]) == (Decimal(150000), "deal", date(2025, 6, 20))
    assert (deal["contact_ids"], deal["owner_name"]) == ([f"external:{ADA}"], "Budi")
    assert (contact["unreadable_fields"], deal["unreadable_fields"]) == ([], [])


def test_the_first_that_is_not_empty_wins(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    record = {"phone": "", "whatsapp_id": ADA, "name": " ", "contact_name": "Ada", "company": "A", "organization": "B"}
    (row,) = staged(con, connection(owner), record)
    assert (row["id"], row["nama"], row["instansi"], row["event"]) == (ADA, "Ada", "A", None)


def test_only_what_is_in_scope(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    """Contract: a filter on what to sync, set in the mapping."""
    mapping = changed(where="coalesce(stage, custom ->> 'dealStatus') in ('deal', 'negotiating')")
    contacts = mapping.entities["contacts"].model_copy(update={"where": "custom ->> 'dealStatus' in ('deal')"})
    mapping = mapping.model_copy(update={"entities": {**mapping.entities, "contacts": contacts}})
    others = ({"phone": f"62812345678{n}@c.us", "status": status} for n, status in enumerate(("lost", "lead", "")))
    found = staged(con, connection(owner, mapping), RECORD, *others)
    assert [row["id"] for row in found] == [ADA]


def test_a_transform_of_ones_own(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    """Contract: a transform of one's own, set in the mapping."""
    sql = {"sql": "upper(record ->> '$.name')"}
    fields = {**MAPPING.entities["contacts"].model_dump(exclude_unset=True)["fields"], "name": sql}
    contacts = MAPPING.entities["contacts"].model_dump(by_alias=True, exclude_unset=True) | {"fields": fields}
    mapping = MAPPING.model_copy(
        update={
            "entities": {**MAPPING.entities, "contacts": type(MAPPING.entities["contacts"]).model_validate(contacts)}
        }
    )
    assert staged(con, connection(owner, mapping), RECORD)[0]["nama"] == "JOHN DOE"


def test_several_connections_and_none(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    staged(con, connection(owner), RECORD)
    both = staged(con, connection(owner, name="north"), {**RECORD, "phone": "628999999999@c.us"})
    assert [row["id"] for row in both] == [ADA, "628999999999@c.us"]
    without = MAPPING.model_copy(update={"views": {}})
    stage(con, connection(owner, without, "north"), SCHEMAS)
    assert [row["id"] for row in rows(con, "views.external_contacts")] == [ADA]
    stage(con, connection(owner, without), SCHEMAS)
    found = con.execute("select view_name from duckdb_views() where schema_name = 'views'").fetchall()
    assert found == []


def test_an_entity_that_is_not_synced_leaves_its_columns_empty(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    of = replace(connection(owner), settings=Settings(entities=["contacts"]))
    (row,) = staged(con, of, RECORD)
    assert (row["nama"], row["event"], row["ticketPrice"]) == ("John Doe", None, None)
