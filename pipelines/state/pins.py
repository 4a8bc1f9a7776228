"""Pins and holds: values that people fixed, and fields that a revert left alone until their source changes.

A *pin* belongs to a golden record: the field has this value whatever the CRMs say. A *hold* belongs to one CRM's
record: the field is not pushed there as long as the golden value is the one that was reverted (law L12).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import pyarrow as pa
import sqlalchemy as sa

from pipelines.state import arrow, rows, stamps
from pipelines.state.database import State, now_us
from pipelines.state.push_tables import holds
from pipelines.state.tables import pins


class Hold(NamedTuple):
    """The field of a record is left alone while the golden record says `golden_value` (JSON) since `since` (us)."""

    record_key: str
    entity: str
    field: str
    golden_value: str | None
    since: int | None
    why: str


def pin(
    state: State, entity: str, golden_id: str, field: str, *, value: Any, who: str, until: int | None = None
) -> None:
    """Fixes a field of a golden record, until a moment (us) or for good."""
    with state.write() as connection:
        rows.upsert(connection, pins, [(entity, golden_id, field, json.dumps(value), who, now_us(), until)])
        stamps.renew(connection, f"pins:{entity}")


def unpin(state: State, entity: str, golden_id: str, field: str) -> None:
    """Gives the field back to survivorship."""
    table = pins.c
    with state.write() as connection:
        gone = sa.delete(pins).where(table.entity == entity, table.golden_id == golden_id, table.field == field)
        connection.execute(gone)
        stamps.renew(connection, f"pins:{entity}")


def load(state: State, entity: str) -> Iterator[pa.RecordBatch]:
    """Pins in force as batches of (golden_id, field, value JSON, who, at, until)."""
    columns = [pins.c[name] for name in ("golden_id", "field", "value", "who", "at", "until")]
    in_force = sa.and_(pins.c.entity == entity, sa.or_(pins.c.until.is_(None), pins.c.until > now_us()))
    with state.read() as connection:
        yield from arrow.read_arrow(connection, columns, in_force)


def stamp(state: State, entity: str) -> str:
    """A word that changes whenever a pin is set or lifted (not when one runs out)."""
    return stamps.read(state, f"pins:{entity}")


def hold(connection: sa.Connection, run_id: str, held: Iterable[Hold]) -> None:
    """Within the caller's transaction: leaves the fields alone from now on."""
    rows.upsert(connection, holds, [(*one, run_id, now_us()) for one in held])


def load_holds(state: State, entity: str) -> Iterator[pa.RecordBatch]:
    """Holds as batches of (record_key, field, golden_value JSON, since, why)."""
    columns = [holds.c[name] for name in ("record_key", "field", "golden_value", "since", "why")]
    with state.read() as connection:
        yield from arrow.read_arrow(connection, columns, holds.c.entity == entity)
