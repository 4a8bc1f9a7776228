"""Connections by owner and name, kept for some seconds: a webhook is proven without reading a mapping each time."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from pipelines.connections.connection import Connection
from pipelines.connections.errors import NoCredentials, SettingsError
from pipelines.connections.resolve import SANDBOX_OWNER, resolve
from pipelines.mapping.problems import MappingErrors

if TYPE_CHECKING:
    from pipelines.service.context import Context

KEPT_SECONDS = 10.0
MOST_KEPT = 1_000
Found = Connection | SettingsError | MappingErrors


class Connections:
    """The connections of all owners: those of the settings and, where an owner made some over the API, those."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._kept: OrderedDict[tuple[str, str], tuple[float, Found]] = OrderedDict()
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
            moment, found = self._kept.get((owner, name), (0.0, None))
        return found if time.monotonic() - moment < KEPT_SECONDS else None

    def forget(self, owner: str, name: str) -> None:
        """The connection was changed."""
        with self._lock:
            self._kept.pop((owner, name), None)

    def _find(self, owner: str, name: str) -> Found:
        found: Found
        try:
            found = self._resolved(owner, name)
        except (SettingsError, MappingErrors) as problem:
            found = problem
        with self._lock:
            self._kept[owner, name] = (time.monotonic(), found)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return found

    def _resolved(self, owner: str, name: str) -> Connection:
        context = self._context
        is_emulated = owner == SANDBOX_OWNER and context.sandbox is not None
        emulated = _variables_of(context) if is_emulated else None
        found = resolve(name, context.project, environment=context.environment, sandbox_environment=emulated)
        if found.owner.name != owner:
            raise NoCredentials(name, [f"a connection of owner {owner}"])
        return found


def _variables_of(context: Context) -> dict[str, str]:
    handle = context.sandbox
    if handle is None:
        return {}
    return {key: value for crm in handle.crms for key, value in handle.environment(crm).items()}
