"""A warehouse made by hand: staging and unified tables as docs/architecture.md states them, and a mapping."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import duckdb

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.push.planned import Plan

LONG_AGO = "2026-01-01T00:00:00Z"
TELLER = 99
"""Place of the source, in no CRM any more, that told all values of a golden record."""


class Warehouse:
    """Fills staging and unified tables record by record."""

    def __init__(self, con: duckdb.DuckDBPyConnection, schemas: Mapping[str, CanonicalEntity]) -> None:
        self.con, self.schemas = con, schemas
        self._held: dict[tuple[str, ...], list[Any]] | None = None
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
            "source_id VARCHAR, is_deleted BOOLEAN, is_in_scope BOOLEAN, matched_by VARCHAR, custom JSON, "
            "first_modified_at TIMESTAMPTZ, position UINTEGER)"
        )
        told = ", ".join(f'"{field}__source" UINTEGER, "{field}__since" TIMESTAMPTZ' for field in entity.fields)
        self.con.execute(f"CREATE TABLE unified.{one}_provenance ({one}_id VARCHAR, {told})")
        self.con.execute(
            f"CREATE TABLE unified.{one}_pins ({one}_id VARCHAR, field VARCHAR, value VARCHAR, who VARCHAR, "
            "pinned_at TIMESTAMPTZ)"
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
        told = {f"{field}__source": TELLER for field in values} | {f"{field}__since": since for field in values}
        self._insert(f"unified.{one}_provenance", {f"{one}_id": id, **told})
        teller = {"connection": source, "is_deleted": True, "is_in_scope": True, "position": TELLER}
        self._insert(f"unified.{one}_sources", {f"{one}_id": id, **teller})

    def edit(self, key: str, entity: str, field: str, at: str) -> None:
        """Notes that a field changed."""
        table = f"staging.{key.partition(':')[0]}__{entity}_edits"
        self._insert(table, {"record_key": key, "field": field, "edited_at": at, "is_echo": False})

    def set(self, table: str, where: str, **values: Any) -> None:
        """Changes values, as the next run's build would."""
        sets = ", ".join(f'"{name}" = ?' for name in values)
        self.con.execute(f"UPDATE {table} SET {sets} WHERE {where}", list(values.values()))

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Holds rows back and inserts those of a kind together: where there are many, that is what takes time."""
        self._held = {}
        yield
        held, self._held = self._held, None
        for (table, *names), values in held.items():
            self._write(table, names, values)

    def _insert(self, table: str, row: Mapping[str, Any]) -> None:
        if self._held is None:
            self._write(table, list(row), list(row.values()))
        else:
            self._held.setdefault((table, *row), []).extend(row.values())

    def _write(self, table: str, names: list[str], values: list[Any]) -> None:
        columns = ", ".join(f'"{name}"' for name in names)
        marks = f"({', '.join('?' for _ in names)})"
        every = ", ".join([marks] * (len(values) // len(names)))
        self.con.execute(f"INSERT INTO {table} ({columns}) VALUES {every}", values)


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


def creating(policy: str = "all", entities: Iterable[str] = ("contacts", "deals")) -> Callable[[Any], None]:
    """Changes a mapping so that it may create."""

    def change(mapping: Any) -> None:
        for entity in entities:
            mapping["entities"][entity]["push"]["create"] = policy

    return change


def rows(made: Plan, *names: str) -> list[tuple[Any, ...]]:
    """What a plan lists, in columns of one's choice."""
    names = names or ("action", "record_key", "field", "old", "new", "why")
    return [tuple(row[name] for name in names) for row in made.rows.to_pylist()]
