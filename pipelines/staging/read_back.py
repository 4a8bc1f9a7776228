"""Reads single records as staging would, without a warehouse: what push compares and remembers after a write."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import duckdb
import orjson
import pyarrow as pa

from pipelines.connections.connection import Connection
from pipelines.mapping.canonical import CanonicalEntity, CanonicalField
from pipelines.staging.columns import Layout, layout
from pipelines.staging.phones import parse_phones
from pipelines.staging.render import phone_texts_sql, records_sql
from pipelines.warehouse.models import ident

MOMENT = pa.timestamp("us", tz="UTC")
SOURCE = "read_back_records"
NOTHING = {"nothing": CanonicalField.model_validate({"type": "text", "description": "nothing"})}
"""Read of records of which only the times are wanted: a table has at least one column, and no mapping names this."""
GIVEN = pa.schema(
    [
        ("line", pa.int64()),
        ("id", pa.string()),
        ("hash", pa.string()),
        ("modified", pa.string()),
        ("deleted", pa.bool_()),
        ("seen", MOMENT),
        ("record", pa.string()),
        ("first_seen", MOMENT),
        ("first_modified", pa.string()),
    ]
)


Keys = dict[str, set[str] | None]
"""Keys of a record that are read; with those below them, or None: all that is below."""


class _Query(NamedTuple):
    """A prepared query: its name, the query of the telephone numbers that it needs, and what it reads of a record."""

    name: str
    phones: str | None
    keys: Keys | None


class _Given:
    """What is to be read, as DuckDB asks for it at each execution of a query."""

    def __init__(self) -> None:
        self.table = GIVEN.empty_table()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


class RecordReader:
    """Reads records of one connection in memory; call it with an entity and raw records.

    The answer has one row for each record, in their order: `place`, `modified_at` (us), `is_deleted`, `is_in_scope`,
    `values_hash`, `absent_fields`, `unreadable_fields`, and each mapped canonical field as JSON text (None: no value).
    A record that is no object has no row.
    """

    def __init__(self, connection: Connection, schemas: Mapping[str, CanonicalEntity]) -> None:
        self._connection, self._schemas = connection, schemas
        self._con = duckdb.connect(config={"threads": 1, "autoinstall_known_extensions": False})
        self._con.execute("SET TimeZone = 'UTC'")
        self._con.execute("CREATE SCHEMA staging")
        # Not a table: a query that reads one is planned anew each time, longer than it takes to read a hundred records.
        self._given = _Given()
        self._con.register("given_records", self._given)
        self._con.execute(f"CREATE VIEW {SOURCE} AS SELECT * REPLACE (record::JSON AS record) FROM given_records")
        self._con.execute("CREATE TABLE staging.phone_numbers (raw VARCHAR, region VARCHAR, e164 VARCHAR)")
        self._sql: dict[tuple[str, frozenset[str] | None], _Query] = {}

    def __call__(
        self, entity: str, records: Sequence[Any], fields: Collection[str] | None = None
    ) -> list[dict[str, Any]]:
        """Reads raw records of an entity.

        Args:
            entity: which.
            records: as the CRM gave them.
            fields: only these canonical fields, which is many times faster than all of them; `values_hash`,
                `absent_fields` and `unreadable_fields` then speak of these alone.
        """
        query = self._rendered(entity, None if fields is None else frozenset(fields))
        self._given.table = _as_table(records, self._connection.mapping.entities[entity].modified, query.keys)
        if query.phones is not None:
            region = self._connection.wire.phone_region
            parse_phones(self._con, query.phones, region, remembered="staging.phone_numbers")
        found = self._con.execute(f"EXECUTE {query.name}")
        names = [column[0] for column in found.description or []]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def close(self) -> None:
        """Frees the memory."""
        self._con.close()

    def _rendered(self, entity: str, fields: frozenset[str] | None) -> _Query:
        if (entity, fields) not in self._sql:
            schema = self._schemas[entity] if fields is None else self._narrowed(entity, fields)
            plan = layout(self._connection, entity, schema)
            mapped = [column.name for column in plan.columns if fields is None or column.name in fields]
            values = "".join(f", to_json({ident(name)})::varchar as {ident(name)}" for name in mapped)
            kept = "epoch_us(modified_at) as modified_at, is_deleted, is_in_scope, absent_fields, unreadable_fields"
            query = (
                f"select source_id::bigint as place, {kept}{', values_hash' if mapped else ''}{values} "
                f"from ({records_sql(plan, 'staging', SOURCE)}) order by place"
            )
            name = f"read_{len(self._sql)}"
            self._con.execute(f"PREPARE {name} AS {query}")
            keys = None if fields is None else _keys(plan)
            self._sql[entity, fields] = _Query(name, phone_texts_sql(plan, SOURCE), keys)
        return self._sql[entity, fields]

    def _narrowed(self, entity: str, fields: frozenset[str]) -> CanonicalEntity:
        """The schema with these fields, and those that scope and currency are told from."""
        schema = self._schemas[entity]
        named = set(re.findall(r"\w+", self._connection.mapping.entities[entity].where or ""))
        if "currency" in fields | named:
            named |= {name for name, field in schema.fields.items() if field.type == "money"}
        wanted = {name: field for name, field in schema.fields.items() if name in fields | named}
        return schema.model_copy(update={"fields": wanted or NOTHING})


def _keys(plan: Layout) -> Keys | None:
    """What of a record is read: the rest of it would only have to be parsed. None: maybe all of it."""
    whole = {*plan.paths.texts, *plan.paths.lists}
    pointers = {*whole, *plan.paths.kinds} - {"$"}
    if plan.stated or any("~" in pointer for pointer in pointers):
        return None
    found: Keys = {}
    for pointer in sorted(pointers):
        key, _, below = pointer[1:].partition("/")
        known = found.setdefault(key, set())
        if not below and pointer in whole:
            found[key] = None
        elif below and known is not None:
            known.add(below.partition("/")[0])
    return found


def _some(record: Any, keys: Keys) -> Any:
    if not isinstance(record, dict):
        return record
    some = {}
    for key in keys.keys() & record.keys():
        value, below = record[key], keys[key]
        is_known = below is not None and isinstance(value, dict)
        some[key] = {name: value[name] for name in below & value.keys()} if is_known else value
    return some


def _as_table(records: Sequence[Any], modified: str | None, keys: Keys | None) -> pa.Table:
    number = len(records)
    lines, none = pa.array(range(number), pa.int64()), pa.nulls(number, MOMENT)
    parts = modified.split(".") if modified else None
    times = pa.array([_at(record, parts) if parts else None for record in records], pa.string())
    needed = records if keys is None else [_some(record, keys) for record in records]
    texts = pa.array([orjson.dumps(record).decode() for record in needed], pa.string())
    nothing, no = pa.array([""] * number, pa.string()), pa.array([False] * number, pa.bool_())
    columns = [lines, lines.cast(pa.string()), nothing, times, no, none, texts, none, times]
    return pa.Table.from_arrays(columns, schema=GIVEN)


def _at(record: Any, parts: Sequence[str]) -> str | None:
    found = record
    for part in parts:
        if isinstance(found, dict):
            found = found.get(part)
        elif isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            return None
    return None if found is None or isinstance(found, dict | list) else str(found)
