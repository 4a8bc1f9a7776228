"""A published file as unify and publish leave it, from records at hand: for tests that are about what reads it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
import orjson

from pipelines.connections.owner import Owner
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.publish.swap import publish

Record = Mapping[str, Any]
_numbers = itertools.count()


def publish_world(
    owner: Owner, schemas: Mapping[str, CanonicalEntity], *, raw: bool = True, **entities: Sequence[Record]
) -> str:
    """Publishes records: `contacts=[{"connection": "west", "source_id": "1", "golden": "c_1", "name": ...}]`.

    The first record of a golden one gives its values. With `raw`, what the CRM sent lies in a raw log, too.
    """
    owner.candidate.parent.mkdir(parents=True, exist_ok=True)
    owner.candidate.unlink(missing_ok=True)
    with duckdb.connect(str(owner.candidate)) as con:
        con.execute("set TimeZone = 'UTC'")
        for schema in ("staging", "unified"):
            con.execute(f"create schema {schema}")
        for entity, schema in schemas.items():
            records = list(entities.get(entity, []))
            _entity(con, schema, records)
            if raw:
                _raw(owner, entity, records)
        con.execute("checkpoint")
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{next(_numbers):06x}"
    publish(owner, owner.candidate, run_id)
    return run_id


def _entity(con: duckdb.DuckDBPyConnection, schema: CanonicalEntity, records: list[Record]) -> None:
    fields = {name: field.duckdb_type for name, field in schema.fields.items()}
    singular = schema.singular
    head = {"record_key": "VARCHAR", "connection": "VARCHAR", "source_id": "VARCHAR", "modified_at": "TIMESTAMPTZ",
            "seen_at": "TIMESTAMPTZ", "is_deleted": "BOOLEAN", "is_in_scope": "BOOLEAN"}  # fmt: skip
    tail = {"custom": "JSON", "raw_hash": "VARCHAR", "values_hash": "UBIGINT"}
    _table(con, f"staging.{schema.entity}", {**head, **fields, **tail}, [_staged(r) for r in records])
    sources = {f"{singular}_id": "VARCHAR", **head}
    named = [{**_staged(r), f"{singular}_id": r["golden"]} for r in records]
    _table(
        con,
        f"unified.{singular}_sources",
        {k: v for k, v in sources.items() if k not in ("modified_at", "seen_at")},
        named,
    )
    golden: dict[str, dict[str, Any]] = {}
    for one in (r for r in records if not r.get("is_deleted")):
        row = golden.setdefault(
            one["golden"], {**one, f"{singular}_id": one["golden"], "connections": [], "source_count": 0}
        )
        row["connections"] = sorted({*row["connections"], one["connection"]})
        row["source_count"] += 1
        row["updated_at"] = max(row.get("updated_at", ""), one.get("modified_at", "2026-01-01T00:00:00Z"))
    extra = {
        f"{singular}_id": "VARCHAR",
        "source_count": "BIGINT",
        "connections": "VARCHAR[]",
        "updated_at": "TIMESTAMPTZ",
    }
    _table(con, f"unified.{schema.entity}", {**extra, **fields}, list(golden.values()))


def _staged(record: Record) -> dict[str, Any]:
    return {
        "modified_at": "2026-01-01T00:00:00Z", "seen_at": "2026-01-01T00:00:00Z", "is_deleted": False,
        "is_in_scope": True, "custom": {}, "raw_hash": _hash(record), "values_hash": hash(str(record)) & 0xFFFFFFFF,
        **record, "record_key": f"{record['connection']}:{record['source_id']}",
    }  # fmt: skip


def _hash(record: Record) -> str:
    return f"{hash(str(sorted(record.items(), key=str))) & 0xFFFFFFFFFFFF:x}"


def _table(con: duckdb.DuckDBPyConnection, name: str, types: dict[str, str], rows: list[dict[str, Any]]) -> None:
    columns = ", ".join(f'"{c}" {t}' for c, t in types.items())
    con.execute(f"create table {name} ({columns})")
    if rows:
        form = orjson.dumps([types]).decode()
        kept = [{k: v for k, v in row.items() if k in types} for row in rows]
        picked = ", ".join(f'r."{c}"' for c in types)
        con.execute(
            f"insert into {name} select {picked} from (select unnest(from_json(?, ?)) as r)",
            [orjson.dumps(kept).decode(), form],
        )


def _raw(owner: Owner, entity: str, records: list[Record]) -> None:
    for source in {str(r["connection"]) for r in records}:
        path = owner.raw(source)
        path.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect(str(path)) as con:
            con.execute("create schema if not exists raw")
            con.execute(
                f"create or replace table raw.{entity} (id varchar, hash varchar, seen timestamptz, record json)"
            )
            rows = [
                (r["source_id"], _hash(r), orjson.dumps({"theirs": dict(r)}).decode())
                for r in records
                if r["connection"] == source
            ]
            con.executemany(f"insert into raw.{entity} values (?, ?, now(), ?)", rows)
