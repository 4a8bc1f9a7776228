"""Stamps: a word that changes whenever what it stands for does, so that a copy knows when it is old."""

from __future__ import annotations

import secrets

import sqlalchemy as sa

from pipelines.state import rows
from pipelines.state.database import State
from pipelines.state.tables import stamps

NEVER = "never"


def read(state: State, name: str) -> str:
    """The stamp's word; 'never' before the first change."""
    with state.read() as connection:
        return read_within(connection, name)


def all_of(state: State) -> dict[str, str]:
    """Every stamp by its name."""
    with state.read() as connection:
        return {str(name): str(value) for name, value in connection.execute(sa.select(stamps.c.name, stamps.c.value))}


def renew(connection: sa.Connection, name: str) -> str:
    """Gives the stamp a new word, within the transaction that made the change; returns it."""
    word = secrets.token_hex(8)
    rows.upsert(connection, stamps, [(name, word)])
    return word


def read_within(connection: sa.Connection, name: str) -> str:
    """The stamp's word, within the caller's transaction."""
    return str(connection.execute(sa.select(stamps.c.value).where(stamps.c.name == name)).scalar() or NEVER)
