"""Who was erased: a keyed hash of each of their records, so that the next pull leaves them out; nothing else.

hash = sha256(key || sha256(key || connection|entity|id)); the key is random, one for each owner, and lies beside them:
a copy of the hashes alone tells nothing. The same is written in SQL, for a whole batch of records at once.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from hashlib import sha256

import sqlalchemy as sa

from pipelines.state import rows
from pipelines.state.database import State, now_us
from pipelines.state.service_more import forgotten
from pipelines.state.tables import stamps

KEY = "forgotten:key"
Record = tuple[str, str, str]
"""(connection, entity, source id)"""


def remember(connection: sa.Connection, records: Iterable[Record]) -> None:
    """Within the caller's transaction: these records are left out from now on."""
    key = connection.execute(sa.select(stamps.c.value).where(stamps.c.name == KEY)).scalar()
    if key is None:
        key = secrets.token_hex(32)
        rows.upsert(connection, stamps, [(KEY, key)])
    now = now_us()
    hashes = [(name, entity, hash_of(key, name, entity, source_id), now) for name, entity, source_id in records]
    rows.upsert(connection, forgotten, hashes)


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
        key = connection.execute(sa.select(stamps.c.value).where(stamps.c.name == KEY)).scalar() if found else None
    if key is None:
        return ""
    inner = f"sha256('{key}{connection_name}|{entity}|' || {source_id})"
    return f"sha256('{key}' || {inner}) in ({', '.join(repr(one) for one in found)})"


def number(state: State) -> int:
    """How many records are left out."""
    with state.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(forgotten)).scalar() or 0)
