"""A warehouse made by hand: staging and unified tables as docs/architecture.md states them, a mapping, a state."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.connections.connection import Connection, Settings
from pipelines.connections.owner import Owner
from pipelines.mapping import language
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.mapping.load import load_schemas
from pipelines.push.plan import plan
from pipelines.push.planned import Plan
from pipelines.state.database import State, open_state

ROOT = Path(__file__).parents[2]
LONG_AGO = "2026-01-01T00:00:00Z"


class Warehouse:
    """Fills staging and unified tables record by record."""

    def __init__(self, con: duckdb.DuckDBPyConnection, schemas: Mapping[str, CanonicalEntity]) -> None:
        self.con, self.schemas = con, schemas
        con.execute("SET TimeZone = 'UTC'")
        for schema in ("staging", "unified", "quality", "meta"):
            con.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        for entity in schemas.values():
            self._unified(entity)

    def _columns(self, entity: CanonicalEntity) -> str:
        return ", ".join(f'"{name}" {field.duckdb_type}' for name, field in entity.fields.items())

    def _unified(self, entity: CanonicalEntity) -> None:
        name, one = entity.entity, entity.singular
        self.con.execute(f"CREATE TABLE unified.{name} ({one}_id VARCHAR, {self._columns(entity)})")
        self.con.execute(
            f"CREATE TABLE unified.{one}_sources ({one}_id VARCHAR, record_key VARCHAR, connection VARCHAR, "
            "source_id VARCHAR, is_deleted BOOLEAN, is_in_scope BOOLEAN, matched_by VARCHAR, custom JSON)"
        )
        self.con.execute(
            f"CREATE TABLE unified.{one}_lineage ({one}_id VARCHAR, field VARCHAR, value VARCHAR, connection VARCHAR, "
            "source_id VARCHAR, since TIMESTAMPTZ, rule VARCHAR)"
        )

    def source(self, connection: str, entity: str) -> None:
        """Makes the staging tables of a connection."""
        schema = self.schemas[entity]
        self.con.execute(
            f"CREATE TABLE IF NOT EXISTS staging.{connection}__{entity} (record_key VARCHAR, connection VARCHAR, "
            "source_id VARCHAR, modified_at TIMESTAMPTZ, first_modified_at TIMESTAMPTZ, seen_at TIMESTAMPTZ, "
            "first_seen_at TIMESTAMPTZ, is_deleted BOOLEAN, is_in_scope BOOLEAN, "
            f"{self._columns(schema)}, custom JSON, absent_fields VARCHAR[], unreadable_fields VARCHAR[], "
            "raw_hash VARCHAR, values_hash UBIGINT)"
        )
        self.con.execute(
            f"CREATE TABLE IF NOT EXISTS staging.{connection}__{entity}_edits "
            "(record_key VARCHAR, field VARCHAR, edited_at TIMESTAMPTZ, is_echo BOOLEAN)"
        )

    def record(self, golden: str | None, connection: str, entity: str, id: str, **values: Any) -> str:
        """One source record; keys beginning with an underscore are columns beside the fields (_is_deleted)."""
        self.source(connection, entity)
        key = f"{connection}:{id}"
        row = {
            "record_key": key, "connection": connection, "source_id": id, "modified_at": LONG_AGO, "is_deleted": False,
            "is_in_scope": True, "absent_fields": [], "unreadable_fields": [], "values_hash": 1,
        }  # fmt: skip
        row |= {name.removeprefix("_"): value for name, value in values.items()}
        self._insert(f"staging.{connection}__{entity}", row)
        if golden is not None:
            one = self.schemas[entity].singular
            shared = ("record_key", "connection", "source_id", "is_deleted", "is_in_scope")
            self._insert(f"unified.{one}_sources", {f"{one}_id": golden, **{name: row[name] for name in shared}})
        return key

    def golden(self, entity: str, id: str, since: str = LONG_AGO, source: str = "south", **values: Any) -> None:
        """One golden record; all its values come from one source."""
        one = self.schemas[entity].singular
        self._insert(f"unified.{entity}", {f"{one}_id": id, **values})
        for field in values:
            line = {f"{one}_id": id, "field": field, "connection": source, "since": since, "rule": "latest"}
            self._insert(f"unified.{one}_lineage", line)

    def edit(self, key: str, entity: str, field: str, at: str) -> None:
        """Notes that a field changed."""
        table = f"staging.{key.partition(':')[0]}__{entity}_edits"
        self._insert(table, {"record_key": key, "field": field, "edited_at": at, "is_echo": False})

    def set(self, table: str, where: str, **values: Any) -> None:
        """Changes values, as the next run's build would."""
        sets = ", ".join(f'"{name}" = ?' for name in values)
        self.con.execute(f"UPDATE {table} SET {sets} WHERE {where}", list(values.values()))

    def _insert(self, table: str, row: Mapping[str, Any]) -> None:
        names = ", ".join(f'"{name}"' for name in row)
        marks = ", ".join("?" for _ in row)
        self.con.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(row.values()))


MAPPING: dict[str, Any] = {
    "crm": "north",
    "label": "North",
    "connection": {"kind": "http", "base_url": "http://crm.test", "limits": []},
    "entities": {
        "contacts": {
            "extract": {"path": "contacts"},
            "get": {"path": "contacts/{id}"},
            "id": "id",
            "modified": "updated",
            "fields": {
                "first_name": "first",
                "last_name": "last",
                "email": "email",
                "phone": "phone",
                "company": {"path": "company", "owner": "there"},
                "notes": {"path": "notes", "write": "if_empty"},
                "tags": {"each": "tags"},
                "rating": {"path": "rating", "write": "never"},
            },
            "push": {
                "create": "none",
                "find": {"by": ["email"], "request": {"path": "contacts", "params": {"email": "{email}"}}},
                "fields": ["first_name", "last_name", "email", "phone", "company", "notes", "tags", "rating"],
                "create_request": {"method": "POST", "path": "contacts"},
                "update_request": {"method": "PATCH", "path": "contacts/{id}"},
                "delete_request": {"method": "DELETE", "path": "contacts/{id}"},
                "answer_record": "$",
            },
        },
        "deals": {
            "extract": {"path": "deals"},
            "get": {"path": "deals/{id}"},
            "id": "id",
            "modified": "updated",
            "fields": {"name": "name", "amount": "amount", "contact_ids": {"each": "contactIds"}},
            "push": {
                "create": "none",
                "fields": ["name", "amount", "contact_ids"],
                "create_request": {"method": "POST", "path": "deals"},
                "update_request": {"method": "PATCH", "path": "deals/{id}"},
                "answer_record": "$",
            },
        },
    },
}

MakeConnection = Callable[..., Connection]


@pytest.fixture(scope="session")
def schemas() -> dict[str, CanonicalEntity]:
    return dict(load_schemas(ROOT / "schemas"))


@pytest.fixture
def owner(tmp_path: Path) -> Owner:
    return Owner("ann", tmp_path)


@pytest.fixture
def state(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> Iterator[State]:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with open_state(owner) as opened:
        yield opened


@pytest.fixture
def warehouse(schemas: dict[str, CanonicalEntity]) -> Iterator[Warehouse]:
    with duckdb.connect() as con:
        made = Warehouse(con, schemas)
        for entity in ("contacts", "deals"):
            made.source("north", entity)
        yield made


@pytest.fixture
def connect(owner: Owner) -> MakeConnection:
    """Makes the connection 'north'; `change` edits a copy of the mapping, settings are keywords."""

    def make(change: Callable[[Any], None] | None = None, **settings: Any) -> Connection:
        text = json.loads(json.dumps(MAPPING))
        if change is not None:
            change(text)
        mapping = language.Mapping.model_validate(text)
        return Connection("north", owner, mapping, Settings(**settings), False, mapping.connection)

    return make


def _module(name: str) -> Any:
    """A helper beside this file; tests are no package."""
    spec = importlib.util.spec_from_file_location(f"push_{name}", Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def crm() -> Any:
    """An empty CRM in memory."""
    return _module("memory_crm").MemoryCrm()


@pytest.fixture
def room(warehouse: Warehouse, state: State, schemas: dict[str, CanonicalEntity], crm: Any, connect: Any) -> Any:
    """The warehouse, the state and the CRM, and the two steps between them."""
    return _module("room").Room(warehouse, state, schemas, crm, connect)


@pytest.fixture
def planned(
    warehouse: Warehouse, state: State, schemas: dict[str, CanonicalEntity], connect: MakeConnection
) -> Callable[..., Plan]:
    """Plans a push to 'north', or to the connection given."""

    def run(connection: Connection | None = None, **how: Any) -> Plan:
        return plan(connection or connect(), warehouse.con, state, schemas, **how)

    return run
