"""Staged records written by hand: the tables that staging leaves, as docs/architecture.md has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import md5
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.connections.owner import Owner
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.mapping.load import load_schemas
from pipelines.state.database import open_state
from pipelines.unify.clusters import ClusterFinder, find_clusters
from pipelines.unify.rules import Plan
from pipelines.unify.run import UnifyCounts, unify
from pipelines.unify.sources import Source
from pipelines.unify.staged import SYSTEM_COLUMNS, TRAILING_COLUMNS
from pipelines.warehouse.connect import open_warehouse

SCHEMAS = load_schemas(Path(__file__).resolve().parents[2] / "schemas")
START = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: float | None) -> datetime | None:
    """A moment so many days after the first of January 2026; None for None."""
    return None if number is None else START + timedelta(days=number)


@dataclass
class Record:
    """One staged record. `edits` maps a field to the day it changed, or to (day, is_echo)."""

    connection: str
    source_id: str
    values: dict[str, Any] = field(default_factory=dict)
    modified: float | None = 0
    first_modified: float | None = None
    edits: Mapping[str, Any] = field(default_factory=dict)
    is_deleted: bool = False
    is_in_scope: bool = True
    first_seen: float = 0

    @property
    def key(self) -> str:
        return f"{self.connection}:{self.source_id}"


def contact(key: str, *, at: float | None = 0, **more: Any) -> Record:
    """`contact("a:1", email="x@y.z", at=3, edits={"email": 5})`: what is none of Record's own is a value."""
    connection, _, source_id = key.partition(":")
    own = {name: more.pop(name) for name in ("edits", "is_deleted", "is_in_scope", "first_seen") if name in more}
    latest = [e[0] if isinstance(e, tuple) else e for e in own.get("edits", {}).values()]
    modified = None if at is None else max([at, *[e for e in latest if e is not None]])
    return Record(connection, source_id, more, modified, at, **own)


def only(entity: str, *fields: str, **rules: str) -> dict[str, CanonicalEntity]:
    """A schema with these fields alone; `only("contacts", "email", "rating", rating="trusted")` changes rules."""
    whole = SCHEMAS[entity]
    kept = {name: whole.fields[name] for name in fields}
    changed = {name: kept[name].model_copy(update={"survivorship": rule}) for name, rule in rules.items()}
    return {entity: whole.model_copy(update={"fields": {**kept, **changed}})}


def by(column: str) -> ClusterFinder:
    """Contacts with the same value in the column are one: tests that are not about matching say it so."""

    def find(con: duckdb.DuckDBPyConnection, plan: Plan) -> None:
        if plan.entity != "contacts":
            find_clusters(con, plan)
            return
        con.execute(
            f"""create or replace temp table clusters as
                select record_key, coalesce({column}, record_key) as cluster, '{column}' as matched_by from staged"""
        )

    return find


class World:
    """An owner's warehouse and state, filled by hand."""

    def __init__(
        self, folder: Path, schemas: Mapping[str, CanonicalEntity] | None = None, find: ClusterFinder = find_clusters
    ) -> None:
        self.find = find
        self.owner = Owner("test", folder)
        self.schemas = dict(schemas or SCHEMAS)
        self.con = open_warehouse(self.owner)
        self.state = open_state(self.owner)
        self.sources: list[Source] = []

    def close(self) -> None:
        self.con.close()
        self.state.close()

    def stage(self, entity: str, records: Iterable[Record]) -> None:
        """Replaces what is staged of the entity."""
        rows = list(records)
        fields = {name: spec.duckdb_type for name, spec in self.schemas[entity].fields.items()}
        columns = {**SYSTEM_COLUMNS, **fields, **TRAILING_COLUMNS}
        table = pa.Table.from_pylist(
            [_row(r, fields) for r in rows], schema=pa.schema([(name, _arrow(kind)) for name, kind in columns.items()])
        )
        edits = pa.Table.from_pylist(
            [e for r in rows for e in _edits(r)],
            schema=pa.schema(
                [
                    ("record_key", pa.string()),
                    ("field", pa.string()),
                    ("edited_at", pa.timestamp("us", "UTC")),
                    ("is_echo", pa.bool_()),
                ]
            ),
        )
        casts = ", ".join(f'"{name}"::{kind} as "{name}"' for name, kind in columns.items())
        _make(self.con, f"staging.{entity}", table, casts)
        _make(self.con, f"staging.{entity}_edits", edits, "*")

    def stage_frozen(self, entity: str, records: Iterable[Record]) -> None:
        """Replaces what is staged of the entity; what is out of scope now was in scope, and unified, before."""
        rows = list(records)
        if not all(row.is_in_scope for row in rows):
            self.stage(entity, [replace(row, is_in_scope=True) for row in rows])
            self.unify()
        self.stage(entity, rows)

    def unify(self, **more: Any) -> dict[str, UnifyCounts]:
        sources: Sequence[Source] = self.sources or [Source(name) for name in "abcd"]
        return {c.entity: c for c in unify(self.con, self.state, self.schemas, sources, find=self.find, **more)}

    def golden(self, entity: str = "contacts") -> list[dict[str, Any]]:
        """The golden records, by id, without empty fields."""
        rows = self.con.sql(f"from unified.{entity} order by all").to_arrow_table().to_pylist()
        return [{k: v for k, v in row.items() if v is not None} for row in rows]

    def ids(self, entity: str = "contacts") -> dict[str, str]:
        """Record key to golden id."""
        singular = self.schemas[entity].singular
        return dict(self.con.execute(f"select record_key, {singular}_id from unified.{singular}_sources").fetchall())

    def groups(self, entity: str = "contacts") -> set[frozenset[str]]:
        """Sets of record keys that are one golden record."""
        found: dict[str, set[str]] = {}
        for key, golden in self.ids(entity).items():
            found.setdefault(golden, set()).add(key)
        return {frozenset(keys) for keys in found.values()}

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        return sorted(self.con.execute(f"from {table}").fetchall(), key=repr)


def _row(record: Record, fields: Mapping[str, str]) -> dict[str, Any]:
    unknown = set(record.values) - set(fields)
    assert not unknown, f"no such fields: {unknown}"
    text = repr((sorted(record.values.items(), key=str), record.modified))
    values = {name: None if value is None else _plain(value) for name, value in record.values.items()}
    return {
        "record_key": record.key,
        "connection": record.connection,
        "source_id": record.source_id,
        "modified_at": day(record.modified),
        "first_modified_at": day(record.first_modified),
        "seen_at": START,
        "first_seen_at": day(record.first_seen),
        "is_deleted": record.is_deleted,
        "is_in_scope": record.is_in_scope,
        "custom": "{}",
        "raw_hash": md5(text.encode()).hexdigest(),
        "values_hash": int(md5(text.encode()).hexdigest()[:15], 16),
        **values,
    }


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | list | bool | datetime) else str(value)


def _edits(record: Record) -> Iterable[dict[str, Any]]:
    for name, told in record.edits.items():
        at, is_echo = told if isinstance(told, tuple) else (told, False)
        yield {"record_key": record.key, "field": name, "edited_at": day(at), "is_echo": is_echo}


def _arrow(kind: str) -> pa.DataType:
    if kind.endswith("[]"):
        return pa.list_(pa.string())
    return {"TIMESTAMPTZ": pa.timestamp("us", "UTC"), "BOOLEAN": pa.bool_(), "UBIGINT": pa.uint64()}.get(
        kind, pa.string()
    )


def _make(con: duckdb.DuckDBPyConnection, table: str, rows: pa.Table, columns: str) -> None:
    con.register("by_hand", rows)
    con.execute(f"create or replace table {table} as select {columns} from by_hand")
    con.unregister("by_hand")
