"""What CRMs answered to look-ups; it may be forgotten at any time, and is then asked again."""

from __future__ import annotations

import sqlalchemy as sa

from pipelines.state import rows
from pipelines.state.database import State, now_us
from pipelines.state.push_tables import looked_up


def load(state: State, connection_name: str) -> dict[tuple[str, str], str]:
    """By (look-up, what was asked): what was found, as JSON."""
    query = sa.select(looked_up.c.name, looked_up.c.asked, looked_up.c.found)
    with state.read() as connection:
        found = connection.execute(query.where(looked_up.c.connection == connection_name))
        return {(str(name), str(asked)): str(answer) for name, asked, answer in found}


def save(state: State, connection_name: str, name: str, asked: str, found: str) -> None:
    """Remembers one answer."""
    with state.write() as connection:
        rows.upsert(connection, looked_up, [(connection_name, name, asked, found, now_us())])
