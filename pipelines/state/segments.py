"""Saved filters of an owner."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pipelines.state import rows
from pipelines.state.database import State, now_us
from pipelines.state.service_tables import segments


@dataclass(frozen=True)
class Segment:
    """One saved filter; `created_at` in us since 1970."""

    name: str
    entity: str
    filters: dict[str, Any]
    created_at: int


def save(state: State, name: str, entity: str, filters: Mapping[str, Any]) -> Segment:
    """Saves a filter; one of the same name is replaced."""
    now = now_us()
    with state.write() as connection:
        rows.upsert(connection, segments, [(name, entity, json.dumps(dict(filters)), now)])
    return Segment(name, entity, dict(filters), now)


def load(state: State) -> list[Segment]:
    """All of them, by name."""
    with state.read() as connection:
        found = connection.execute(sa.select(segments).order_by(segments.c.name)).mappings()
        return [
            Segment(str(row["name"]), str(row["entity"]), json.loads(row["filters"]), int(row["created_at"]))
            for row in found
        ]


def get(state: State, name: str) -> Segment | None:
    """One by its name."""
    return next((one for one in load(state) if one.name == name), None)


def remove(state: State, name: str) -> bool:
    """Removes one; False where there is none."""
    with state.write() as connection:
        return connection.execute(sa.delete(segments).where(segments.c.name == name)).rowcount == 1
