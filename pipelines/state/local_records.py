"""Records that people entered here, in the owner's state: canonical fields as JSON, one row a record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pipelines.state.database import State, now_us
from pipelines.state.service_tables import local_records


@dataclass(frozen=True)
class LocalRecord:
    """One record; moments in us since 1970."""

    entity: str
    record_id: str
    record: dict[str, Any]
    created_at: int
    updated_at: int

    @property
    def key(self) -> str:
        """The record key that it has in the warehouse."""
        return f"local:{self.record_id}"


def add(state: State, entity: str, record_id: str, record: Mapping[str, Any]) -> LocalRecord:
    """Keeps a new record."""
    now = now_us()
    with state.write() as connection:
        connection.execute(
            sa.insert(local_records).values(
                entity=entity, record_id=record_id, record=json.dumps(record), created_at=now, updated_at=now
            )
        )
    return LocalRecord(entity, record_id, dict(record), now, now)


def get(state: State, entity: str, record_id: str) -> LocalRecord | None:
    """A record; None where there is none, or it was deleted."""
    found = load(state, entity, record_id)
    return found[0] if found else None


def change(state: State, entity: str, record_id: str, changes: Mapping[str, Any]) -> LocalRecord | None:
    """Lays changes over a record; a null takes a field away. None where there is no such record."""
    with state.write() as connection:
        row = connection.execute(_live(entity, record_id)).mappings().first()
        if row is None:
            return None
        laid_over = {**json.loads(row["record"]), **changes}
        record = {name: value for name, value in laid_over.items() if value is not None}
        # two changes within a microsecond are still two
        now = max(now_us(), int(row["updated_at"]) + 1)
        connection.execute(
            _one(sa.update(local_records), entity, record_id).values(record=json.dumps(record), updated_at=now)
        )
        return LocalRecord(entity, record_id, record, int(row["created_at"]), now)


def delete(state: State, entity: str, record_id: str) -> bool:
    """Marks a record as deleted; False where there is none."""
    now = now_us()
    with state.write() as connection:
        statement = _one(sa.update(local_records), entity, record_id).where(local_records.c.deleted_at.is_(None))
        return connection.execute(statement.values(deleted_at=now, updated_at=now)).rowcount == 1


def load(state: State, entity: str, record_id: str | None = None) -> list[LocalRecord]:
    """The records of an entity that were not deleted, by id."""
    with state.read() as connection:
        return [_record(row) for row in connection.execute(_live(entity, record_id)).mappings()]


def count(state: State, entity: str) -> int:
    """How many records of an entity there are."""
    query = sa.select(sa.func.count()).select_from(local_records)
    with state.read() as connection:
        return int(
            connection.execute(
                query.where(local_records.c.entity == entity, local_records.c.deleted_at.is_(None))
            ).scalar_one()
        )


def has_any(state: State) -> bool:
    """Whether anything was ever entered, deleted records included."""
    with state.read() as connection:
        return connection.execute(sa.select(local_records.c.record_id).limit(1)).first() is not None


def _live(entity: str, record_id: str | None) -> sa.Select[Any]:
    query = sa.select(local_records).where(local_records.c.entity == entity, local_records.c.deleted_at.is_(None))
    query = query.where(local_records.c.record_id == record_id) if record_id is not None else query
    return query.order_by(local_records.c.record_id)


def _one(statement: sa.Update, entity: str, record_id: str) -> sa.Update:
    return statement.where(local_records.c.entity == entity, local_records.c.record_id == record_id)


def _record(row: Any) -> LocalRecord:
    return LocalRecord(
        str(row["entity"]), str(row["record_id"]), json.loads(row["record"]), int(row["created_at"]),
        int(row["updated_at"]),
    )  # fmt: skip
