"""Connections by owner and name, kept for some minutes, so that no call has to read mappings first.

What is kept is looked up again behind the callers' backs before it grows old, so that none of them waits for it.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from pipelines.connections.connection import Connection
from pipelines.connections.errors import SettingsError
from pipelines.mapping.problems import MappingErrors
from pipelines.service.connections import resolve_for

if TYPE_CHECKING:
    from pipelines.service.context import Context

KEPT_SECONDS, FRESH_SECONDS, REFUSED_SECONDS = 300.0, 60.0, 10.0
MOST_KEPT = 1_000
Found = Connection | SettingsError | MappingErrors


class Connections:
    """The connections of all owners: those of the settings and, where an owner made some over the API, those."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._kept: OrderedDict[tuple[str, str], tuple[float, Found]] = OrderedDict()
        self._renewed: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def __call__(self, owner: str, name: str) -> Connection:
        """The connection, ready to use.

        Raises:
            SettingsError: there is none, or it lacks its credentials.
            MappingErrors: its mapping is wrong.
        """
        found = self.kept(owner, name) or self._find(owner, name)
        if isinstance(found, Exception):
            raise found
        return found

    def kept(self, owner: str, name: str) -> Found | None:
        """What is known without looking; None where somebody has to look."""
        with self._lock:
            moment, found = self._kept.get((owner, name), (float("-inf"), None))
            age = time.monotonic() - moment
            is_stale = isinstance(found, Connection) and age > FRESH_SECONDS and (owner, name) not in self._renewed
            if is_stale:
                self._renewed.add((owner, name))
        if is_stale:
            threading.Thread(target=self._renew, args=(owner, name), daemon=True).start()
        # what cannot be used may have been mended, and who calls at random must not cost a look each
        return found if age < (KEPT_SECONDS if isinstance(found, Connection) else REFUSED_SECONDS) else None

    def forget(self, owner: str, name: str) -> None:
        """The connection was changed."""
        with self._lock:
            self._kept.pop((owner, name), None)

    def _renew(self, owner: str, name: str) -> None:
        try:
            self._find(owner, name)
        finally:
            with self._lock:
                self._renewed.discard((owner, name))

    def _find(self, owner: str, name: str) -> Found:
        found: Found
        try:
            found = resolve_for(self._context, owner, name)
        except (SettingsError, MappingErrors) as problem:
            found = problem
        except ValueError:  # a name that no owner can have
            found = SettingsError("there is no such owner")
        with self._lock:
            self._kept[owner, name] = (time.monotonic(), found)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return found
