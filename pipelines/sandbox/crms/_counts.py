"""Totals that CRMs show on every page of a list, counted once for as long as nothing changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipelines.sandbox.store import Store


class Counts:
    """Counts records of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[tuple[Any, ...], int] = {}
        self._changes = -1

    def of(self, entity: str, where: str, values: Sequence[Any]) -> int:
        """Returns how many records fit; see `Store.count`."""
        changes = self._store.connection.total_changes
        if changes != self._changes or len(self._known) > 256:
            self._known.clear()
            self._changes = changes
        key = (entity, where, *values)
        if key not in self._known:
            self._known[key] = self._store.count(entity, where, values)
        return self._known[key]
