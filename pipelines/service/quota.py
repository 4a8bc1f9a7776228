"""How many calls CRMs' long quotas (a day's, say) have left, for `/metrics`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from pipelines.connections.connection import Connection
from pipelines.connections.errors import SettingsError
from pipelines.connections.owner import Owner
from pipelines.mapping.problems import MappingErrors
from pipelines.service.connections import connected, resolve_for
from pipelines.service.context import Context
from pipelines.state import limiter
from pipelines.state.database import State
from pipelines.wire.accounts import account
from pipelines.wire.limiter import LONG
from pipelines.wire.quota import BUCKETS

KEPT_SECONDS = 30.0
Left = dict[tuple[str, str], int]


class QuotaLeft:
    """Asks the states of the owners that the service works for; remembers the answer for half a minute."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._asked = float("-inf")
        self._left: Left = {}

    def samples(self) -> Iterator[tuple[Mapping[str, str], float]]:
        """Calls left, by connection and window; of several owners' accounts the one with least. Names no owner."""
        if time.monotonic() - self._asked > KEPT_SECONDS:
            self._left, self._asked = self._ask(), time.monotonic()
        for (connection, window), number in self._left.items():
            yield {"connection": connection, "window": window}, number

    def _ask(self) -> Left:
        found: Left = {}
        for owner in self._context.owners_at_work():
            for connection in self._connections(owner):
                for window, number in left(connection, self._context.state_of(owner)):
                    key = connection.name, window
                    found[key] = min(number, found.get(key, number))
        return found

    def _connections(self, owner: Owner) -> Iterator[Connection]:
        for name in connected(self._context, owner):
            try:
                yield resolve_for(self._context, owner, name)
            except (SettingsError, MappingErrors):
                continue


def left(connection: Connection, state: State) -> Iterator[tuple[str, int]]:
    """(window, calls left) of each long limit of a connection."""
    windows = limiter.load(state, account(connection))
    for limit in connection.wire.limits:
        if limit.seconds < LONG:
            continue
        slot, since = f"{limit.match or 'all'}/{limit.seconds:g}s/", time.time() - limit.seconds * (1 + 1 / BUCKETS)
        used = sum(n for name, (began, n) in windows.items() if name.startswith(slot) and began / 1e6 >= since)
        yield f"{limit.seconds:g}s", max(0, limit.requests - used)
