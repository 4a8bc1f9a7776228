"""Open failures that a person should hear of once, not at every run."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from pipelines.state import rows
from pipelines.state.database import State, now_us
from pipelines.state.tables import notices


def raise_notice(state: State, key: str, severity: str, text: str, connection_name: str | None = None) -> bool:
    """Opens a notice, or counts one that is open; returns True where it is news."""
    now = now_us()
    with state.write() as connection:
        known = connection.execute(sa.select(notices).where(notices.c.key == key)).mappings().first()
        is_open = known is not None and known["closed_at"] is None
        times, opened = (known["times"] + 1, known["opened_at"]) if known and is_open else (1, now)
        rows.upsert(connection, notices, [(key, severity, connection_name, text, times, opened, now, None)])
    return not is_open


def close(state: State, key: str) -> bool:
    """Closes a notice; returns True where it was open."""
    with state.write() as connection:
        open_one = sa.update(notices).where(notices.c.key == key, notices.c.closed_at.is_(None))
        return bool(connection.execute(open_one.values(closed_at=now_us())).rowcount)


def open_notices(state: State) -> list[dict[str, Any]]:
    """All open notices, the oldest first."""
    query = sa.select(notices).where(notices.c.closed_at.is_(None)).order_by(notices.c.opened_at)
    with state.read() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]
