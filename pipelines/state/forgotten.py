"""Who was erased: a keyed hash of each of their records, so that the next pull leaves them out; nothing else.

hash = sha256(key || sha256(key || connection|entity|id)); the key is random, one for each owner, and lies beside them:
a copy of the hashes alone tells nothing. A restored backup may bring another key, and then both are tried. The same is
written in SQL, for a whole batch of records at once.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

import sqlalchemy as sa

from pipelines.state import rows
from pipelines.state.database import State, now_us
from pipelines.state.service_more import forgotten
from pipelines.state.tables import stamps

KEY = "forgotten:key"
Record = tuple[str, str, str]
"""(connection, entity, source id)"""


@dataclass(frozen=True)
class Kept:
    """Keys and hashes as they lie in a state; `hashes`: (connection, entity, hash, moment)."""

    keys: list[str]
    hashes: list[tuple[str, str, str, int]]


def remember(connection: sa.Connection, records: Iterable[Record]) -> None:
    """Within the caller's transaction: these records are left out from now on."""
    key = next(iter(_keys(connection)), None)
    if key is None:
        key = secrets.token_hex(32)
        rows.upsert(connection, stamps, [(KEY, key)])
    now = now_us()
    hashes = [(name, entity, hash_of(key, name, entity, source_id), now) for name, entity, source_id in records]
    rows.upsert(connection, forgotten, hashes)


def kept(state: State) -> Kept:
    """All that is kept of who was erased."""
    c = forgotten.c
    with state.read() as connection:
        found = connection.execute(sa.select(c.connection, c.entity, c.hash, c.at)).all()
        return Kept(_keys(connection), [(str(name), str(entity), str(one), int(at)) for name, entity, one, at in found])


def take_over(state: State, other: Kept) -> None:
    """Whoever was erased there is erased here, too: their hashes, and the keys that these were made with."""
    with state.write() as connection:
        here = _keys(connection)
        fresh = [key for key in other.keys if key not in here]
        names = [KEY if not here and number == 0 else f"{KEY}:{key[:16]}" for number, key in enumerate(fresh)]
        rows.upsert(connection, stamps, list(zip(names, fresh, strict=True)))
        rows.upsert(connection, forgotten, other.hashes)


def places(state: State) -> list[tuple[str, str]]:
    """The connections and entities of whom somebody was erased."""
    c = forgotten.c
    with state.read() as connection:
        found = connection.execute(sa.select(c.connection, c.entity).distinct().order_by(c.connection, c.entity))
        return [(str(name), str(entity)) for name, entity in found]


def _keys(connection: sa.Connection) -> list[str]:
    """The key of this state, then those that came with a backup."""
    c = stamps.c
    named = sa.or_(c.name == KEY, c.name.startswith(f"{KEY}:", autoescape=True))
    return [str(key) for key in connection.execute(sa.select(c.value).where(named).order_by(c.name)).scalars()]


def hash_of(key: str, connection_name: str, entity: str, source_id: str) -> str:
    """What is kept of a record."""
    inner = sha256(f"{key}{connection_name}|{entity}|{source_id}".encode()).hexdigest()
    return sha256(f"{key}{inner}".encode()).hexdigest()


def left_out_sql(state: State, connection_name: str, entity: str, source_id: str) -> str:
    """A condition in DuckDB's SQL that is true for records that were erased; empty where none was.

    Args:
        state: the owner's open state.
        connection_name: whose records.
        entity: of what kind.
        source_id: the SQL of a record's id.
    """
    c = forgotten.c
    with state.read() as connection:
        hashes = connection.execute(sa.select(c.hash).where(c.connection == connection_name, c.entity == entity))
        found = [str(row[0]) for row in hashes]
        keys = _keys(connection) if found else []
    listed = ", ".join(map(repr, found))
    inner = f"{connection_name}|{entity}|"
    conditions = [f"sha256('{key}' || sha256('{key}{inner}' || {source_id})) in ({listed})" for key in keys]
    return f"({' or '.join(conditions)})" if conditions else ""


def number(state: State) -> int:
    """How many records are left out."""
    with state.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(forgotten)).scalar() or 0)
