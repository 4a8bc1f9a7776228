"""Switches of the operator: connections that are paused, or tried with a few records; records that are never synced."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pipelines.state import rows, stamps
from pipelines.state.database import State, now_us
from pipelines.state.push_tables import never_sync, pauses, pilots


@dataclass(frozen=True)
class Pilot:
    """A push to a few records first: `limit` golden records, or `only` these (golden ids, record keys, source ids)."""

    limit: int | None = None
    only: tuple[str, ...] = ()

    @property
    def says(self) -> str:
        """The pilot in words."""
        parts = [f"at most {self.limit} records of an entity"] if self.limit is not None else []
        return "pilot: " + "; ".join([*parts, *([f"only {', '.join(self.only)}"] if self.only else [])])


def begin_pilot(state: State, connection_name: str, chosen: Pilot, who: str) -> None:
    """Only these records are pushed to the connection until `end_pilot`."""
    with state.write() as connection:
        row = (connection_name, chosen.limit, json.dumps(chosen.only), who, now_us())
        rows.upsert(connection, pilots, [row])
        stamps.renew(connection, f"pilots:{connection_name}")


def end_pilot(state: State, connection_name: str) -> None:
    """All records are pushed again."""
    with state.write() as connection:
        connection.execute(sa.delete(pilots).where(pilots.c.connection == connection_name))
        stamps.renew(connection, f"pilots:{connection_name}")


def pilot(state: State, connection_name: str) -> Pilot | None:
    """The pilot in force; None where all records are pushed."""
    with state.read() as connection:
        query = sa.select(pilots.c.most, pilots.c.only).where(pilots.c.connection == connection_name)
        found = connection.execute(query).first()
    return None if found is None else Pilot(found[0], tuple(json.loads(found[1])))


def pause(state: State, connection_name: str, why: str, who: str) -> None:
    """Nothing is pushed to the connection until `resume`."""
    with state.write() as connection:
        rows.upsert(connection, pauses, [(connection_name, why, who, now_us())])


def resume(state: State, connection_name: str) -> None:
    """Pushes again."""
    with state.write() as connection:
        connection.execute(sa.delete(pauses).where(pauses.c.connection == connection_name))


def paused(state: State, connection_name: str) -> str | None:
    """Why the connection is paused; None where it is not."""
    with state.read() as connection:
        return connection.execute(sa.select(pauses.c.why).where(pauses.c.connection == connection_name)).scalar()


def all_paused(state: State) -> list[dict[str, Any]]:
    """Every connection that is paused, why, by whom and since when (us)."""
    with state.read() as connection:
        return [dict(row) for row in connection.execute(sa.select(pauses)).mappings()]


def never(state: State, connection_name: str, entity: str, source_id: str, *, why: str, who: str) -> None:
    """The record is never written again."""
    with state.write() as connection:
        rows.upsert(connection, never_sync, [(connection_name, entity, source_id, why, who, now_us())])


def again(state: State, connection_name: str, entity: str, source_id: str) -> None:
    """The record may be written again."""
    table = never_sync.c
    mine = (table.connection == connection_name, table.entity == entity, table.source_id == source_id)
    with state.write() as connection:
        connection.execute(sa.delete(never_sync).where(*mine))


def never_synced(state: State, connection_name: str, entity: str) -> dict[str, str]:
    """Source ids that are never written, and why."""
    table = never_sync.c
    query = sa.select(table.source_id, table.why).where(table.connection == connection_name, table.entity == entity)
    with state.read() as connection:
        return {str(row[0]): str(row[1]) for row in connection.execute(query)}


def all_pilots(state: State) -> dict[str, Pilot]:
    """The pilots in force, by connection."""
    with state.read() as connection:
        found = connection.execute(sa.select(pilots.c.connection, pilots.c.most, pilots.c.only))
        return {str(name): Pilot(most, tuple(json.loads(only))) for name, most, only in found}


def all_never_synced(state: State) -> list[dict[str, Any]]:
    """Every record that is never synced, with who said so and when (us)."""
    with state.read() as connection:
        return [dict(row) for row in connection.execute(sa.select(never_sync)).mappings()]
