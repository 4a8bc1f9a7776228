"""Echoes: what we last wrote to each field of each record, and what the CRM made of it; no edit of theirs (laws L4-L6).

A row is a record. Its `fields` is a JSON object: of each field [old, sent, read_back, since, sent_at], values as JSON
text, moments in microseconds. What a write did not touch stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import orjson
import pyarrow as pa
import sqlalchemy as sa

from pipelines.state import arrow, rows, stamps
from pipelines.state.database import State
from pipelines.state.intents import Change
from pipelines.state.push_tables import IS_REWRITTEN, echoes

Kept = tuple[Change, str | None]
"""A field that was written, and the value (JSON text) that the CRM kept."""

COLUMNS = [echoes.c.record_key, echoes.c.fields]
"""Of a loaded row; `lines_sql` makes lines of it."""


def row(entity: str, record_key: str, connection: str, sent_at: int, kept: Iterable[Kept]) -> tuple[str | int, ...]:
    """What `write` takes of a record that was written."""
    fields, is_rewritten = {}, False
    for change, value in kept:
        fields[change.field] = (change.old, change.new, value, change.since, sent_at)
        is_rewritten = is_rewritten or value != change.new
    return entity, record_key, connection, orjson.dumps(fields).decode(), int(is_rewritten)


def write(connection: sa.Connection, fresh: Iterable[tuple[str | int, ...]]) -> None:
    """Notes what was written, within the caller's transaction."""
    both = {
        "sqlite": "json_patch(echoes.fields, excluded.fields)",
        "postgresql": "(echoes.fields::jsonb || excluded.fields::jsonb)::text",
    }
    merged = {"fields": both[connection.dialect.name], "is_rewritten": "echoes.is_rewritten | excluded.is_rewritten"}
    names = [column.name for column in echoes.columns]
    rows.upsert(connection, echoes, fresh, names, merged)


def load(
    state: State, entity: str, connection_name: str | None = None, *, rewritten: bool = False
) -> Iterator[pa.RecordBatch]:
    """The rows (COLUMNS) of an entity; with `rewritten` those of which the CRM kept some in another form than sent."""
    mine = [echoes.c.entity == entity]
    mine += [] if connection_name is None else [echoes.c.connection == connection_name]
    mine += [IS_REWRITTEN] if rewritten else []
    with state.read() as connection:
        yield from arrow.read_arrow(connection, COLUMNS, sa.and_(*mine))


def stamp(state: State, entity: str) -> str:
    """A word that changes whenever an echo of the entity does."""
    return stamps.read(state, f"echoes:{entity}")


def lines_sql(loaded: str) -> str:
    """Of loaded rows that DuckDB sees under a name: (record_key, field, old, sent, read_back, since, sent_at)."""
    values = ", ".join(f"told.value[{place}] AS {name}" for place, name in enumerate(("old", "sent", "read_back"), 1))
    moments = ", ".join(
        f"make_timestamp(told.value[{place}]::BIGINT) AT TIME ZONE 'UTC' AS {name}"
        for place, name in enumerate(("since", "sent_at"), 4)
    )
    each = """unnest(map_entries(from_json(fields, '"MAP(VARCHAR, VARCHAR[])"')))"""
    return f"SELECT record_key, told.key AS field, {values}, {moments} FROM (SELECT *, {each} AS told FROM {loaded})"
