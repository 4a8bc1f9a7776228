"""One limiter for each CRM account: connections that share credentials share its limits."""

from __future__ import annotations

import hashlib
import threading
from typing import Any

from pipelines.connections.connection import Connection
from pipelines.wire.limiter import Limiter
from pipelines.wire.quota import WindowStore

_limiters: dict[str, Limiter] = {}
_lock = threading.Lock()


def account(connection: Connection) -> str:
    """A name for the CRM account behind a connection; a hash, so that no secret is in it."""
    said = "\x1f".join([connection.owner.name, connection.wire.base_url or "", *sorted(connection.secrets)])
    return hashlib.sha256(said.encode()).hexdigest()[:24]


def limiter_for(connection: Connection, state: Any = None) -> Limiter:
    """The limiter of the connection's account, the same for all who ask in this process.

    Args:
        connection: whose limits hold.
        state: the owner's open state, which counts long windows for all processes; None counts them here.
    """
    name = account(connection)
    with _lock:
        if name not in _limiters:
            store: WindowStore | None = StateStore(state, name) if state is not None else None
            _limiters[name] = Limiter(connection.wire.limits, store)
        return _limiters[name]


class StateStore:
    """Long windows in the owner's state."""

    def __init__(self, state: Any, name: str) -> None:
        self._state, self._account = state, name

    def use(self, window: str, started_at: int, calls: int) -> int:
        """Adds calls to a window of the account; its use by all processes."""
        from pipelines.state.limiter import use

        return use(self._state, self._account, window, started_at, calls)
