"""What is entered here, as rows and documents of the same shape as any CRM's: by the same SQL, over values in hand."""

from __future__ import annotations

import atexit
import sqlite3
import threading
from collections.abc import Iterable
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb
import orjson

from pipelines.connections.owner import Owner
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.service.search import store, write
from pipelines.service.search.documents import documents_sql
from pipelines.service.unified.shapes import rows_sql
from pipelines.state import local_records, registry
from pipelines.state.database import State
from pipelines.state.local_records import LocalRecord
from pipelines.warehouse.models import ident, literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelines.service.context import Context

_scratch: list[duckdb.DuckDBPyConnection] = []
_lock = threading.Lock()


def rows(context: Context, owner: Owner, entity: str, records: list[LocalRecord]) -> list[tuple[str, str, str, str]]:
    """(key, source, row, original) of records, by key; row and original are JSON text."""
    if not records:
        return []
    with _staged(context, owner, entity, records) as cursor:
        query = rows_sql(entity, of="here", golden="golden", people="people")
        made = cursor.execute(f"{query} order by key").fetchall()
    originals = {one.key: orjson.dumps(one.record).decode() for one in records}
    return [(key, source, row, originals[key]) for key, source, row in made]


def put_into_index(
    context: Context, owner: Owner, entity: str, records: list[LocalRecord], gone: Iterable[str]
) -> None:
    """Records are found as soon as they are entered; of an owner without an index, when there is one."""
    path = store.current(owner)
    if path is None or entity not in store.ENTITIES:
        return
    con = store.open_to_write(path)
    try:
        con.execute("begin immediate")
        write.remove(con, entity, [*gone, *(one.key for one in records)])
        if records:
            with _staged(context, owner, entity, records) as cursor:
                query = documents_sql(entity, of="here", golden="golden", people="people")
                cursor.execute(f"create or replace temp table docs as {query}")
                cursor.execute("create or replace temp table originals (key varchar, original varchar)")
                cursor.executemany(
                    "insert into originals values (?, ?)",
                    [(one.key, orjson.dumps(one.record).decode()) for one in records],
                )
                write.add(cursor, con, entity, whole=False)
        con.execute("commit")
    except sqlite3.Error:
        con.close()
        raise
    con.close()


def put_all_into_index(context: Context, owner: Owner) -> None:
    """After the index was made anew: what was entered since the last run, and without what was deleted."""
    state = context.state_of(owner)
    for entity in store.ENTITIES:
        found = local_records.load(state, entity)
        put_into_index(context, owner, entity, found, _keys_in_index(owner, entity))


def _keys_in_index(owner: Owner, entity: str) -> list[str]:
    path = store.current(owner)
    if path is None:
        return []
    con = store.open_to_read(path)
    try:
        return [key for (key,) in con.execute(f"select key from {entity}_docs where source = 'local'")]
    finally:
        con.close()


@contextmanager
def _staged(
    context: Context, owner: Owner, entity: str, records: list[LocalRecord]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor with the tables `here` (as staging has them), `golden` and `people`."""
    with _lock:
        if not _scratch:
            _scratch.append(duckdb.connect(config={"threads": 1, "memory_limit": "256MB"}))
            atexit.register(_scratch[0].close)
        cursor = _scratch[0].cursor()
    try:
        cursor.execute("set TimeZone = 'UTC'")
        _make_staged(cursor, context.schemas[entity], records)
        state = context.state_of(owner)
        _make_pairs(cursor, "golden", "golden_id", _golden(state, entity, [one.key for one in records]))
        people = {key for one in records for key in _names(one.record.get("contact_ids"))}
        _make_pairs(cursor, "people", "contact_id", _golden(state, "contacts", sorted(people)))
        yield cursor
    finally:
        cursor.close()


def _names(value: Any) -> list[str]:
    return [full_key(str(one)) for one in value] if isinstance(value, list) else []


def full_key(reference: str) -> str:
    """A reference as a record key: what bears no connection's name is ours."""
    return reference if ":" in reference else f"local:{reference}"


def _golden(state: State, entity: str, keys: list[str]) -> dict[str, str]:
    return registry.golden_of(state, entity, keys) if keys else {}


def _make_pairs(cursor: duckdb.DuckDBPyConnection, table: str, name: str, pairs: dict[str, str]) -> None:
    cursor.execute(f"create or replace temp table {table} (record_key varchar, {name} varchar)")
    if pairs:
        cursor.executemany(f"insert into {table} values (?, ?)", list(pairs.items()))


def _make_staged(cursor: duckdb.DuckDBPyConnection, schema: CanonicalEntity, records: list[LocalRecord]) -> None:
    types = {name: field.duckdb_type for name, field in schema.fields.items()}
    moments = {"created_at": "TIMESTAMPTZ"} if "created_at" not in types else {}
    form = orjson.dumps(
        [{**types, **moments, "record_key": "VARCHAR", "source_id": "VARCHAR", "modified_at": "TIMESTAMPTZ"}]
    )
    named = [name for name, field in schema.fields.items() if field.to is not None]
    text = orjson.dumps([_flat(one, named) for one in records]).decode()
    columns = ", ".join(f"r.{ident(name)}" for name in types)
    cursor.execute(
        f"""create or replace temp table here as select r.record_key, 'local' as connection, r.source_id, r.modified_at,
        r.modified_at as seen_at, false as is_deleted, {columns}, null::varchar as raw_hash
        from (select unnest(from_json({literal(text)}, {literal(form.decode())})) as r)"""
    )


def _flat(one: LocalRecord, named: list[str]) -> dict[str, Any]:
    record = {k: (full_key(str(v)) if k in named and isinstance(v, str) else v) for k, v in one.record.items()}
    record |= {k: _names(v) for k, v in one.record.items() if k in named and isinstance(v, list)}
    times = {"modified_at": _iso(one.updated_at), "created_at": _iso(one.created_at)}
    return {**record, **times, "record_key": one.key, "source_id": one.record_id}


def _iso(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1e6, UTC).isoformat()
