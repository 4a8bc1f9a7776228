"""Use of a CRM account's windows, kept across runs and shared by processes: a day's quota outlives a program."""

from __future__ import annotations

import sqlalchemy as sa

from pipelines.state import rows
from pipelines.state.database import State
from pipelines.state.push_tables import limiter_windows


def use(state: State, account: str, window: str, started_at: int, calls: int) -> int:
    """Adds calls to a window and returns its use, by all processes.

    Args:
        state: the open state.
        account: whose quota: the CRM account, not the connection.
        window: name of the window, such as 'day'.
        started_at: when the present window began (us); a later one than that in state begins it anew.
        calls: calls made since the last time; 0 only asks.
    """
    table = limiter_windows.c
    mine = (table.account == account, table.window == window)
    with state.write() as connection:
        found = connection.execute(sa.select(table.started_at, table.used).where(*mine)).first()
        begun, used = (found[0], found[1]) if found and found[0] >= started_at else (started_at, 0)
        rows.upsert(connection, limiter_windows, [(account, window, begun, used + calls)])
    return int(used) + calls


def load(state: State, account: str) -> dict[str, tuple[int, int]]:
    """Window name: (began at, in us; calls used)."""
    table = limiter_windows.c
    query = sa.select(table.window, table.started_at, table.used).where(table.account == account)
    with state.read() as connection:
        return {str(name): (int(began), int(used)) for name, began, used in connection.execute(query)}
