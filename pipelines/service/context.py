"""What the service works with, opened once: settings, project, stores, limits, metrics."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.connections.errors import SettingsError
from pipelines.connections.owner import SERVICE_OWNER, Owner
from pipelines.connections.project import Project
from pipelines.connections.redact import Redactor
from pipelines.connections.settings import variables
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.mapping.load import load_schemas
from pipelines.service.metrics import Metrics
from pipelines.service.owners import owner_name
from pipelines.service.published import Published
from pipelines.service.rate_limits import RateLimits
from pipelines.service.resolving import Connections
from pipelines.service.search.find import Searcher
from pipelines.service.settings import ServiceSettings, from_environment
from pipelines.state.database import State, open_state

if TYPE_CHECKING:
    from pipelines.sandbox.handle import SandboxHandle

OPEN_STATES = 64


@dataclass
class Context:
    """One running service.

    Attributes:
        store: state of the whole service: users, jobs, schedules, inbox, audit, limits.
        environment: what mappings' variables are filled from.
        sandbox: the emulated CRMs, where the service runs on them.
        published: what was pulled and unified, by owner; searcher: the indexes beside it.
        address: where the service listens, such as http://127.0.0.1:8000; empty where it is not known.
        connections: those of all owners, by owner and name, ready to use.
        background: what works beside the calls, while it does.
    """

    settings: ServiceSettings
    project: Project
    store: State
    limits: RateLimits
    environment: Mapping[str, str] = field(repr=False)
    metrics: Metrics = field(default_factory=Metrics)
    redactor: Redactor = field(default_factory=Redactor)
    sandbox: SandboxHandle | None = None
    address: str = ""
    published: Published = field(default_factory=Published, repr=False)
    searcher: Searcher = field(default_factory=Searcher, repr=False)
    background: Any = None
    connections: Connections = field(init=False, repr=False)
    _states: OrderedDict[str, State] = field(default_factory=OrderedDict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _schemas: dict[str, CanonicalEntity] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.connections = Connections(self)

    @property
    def data_dir(self) -> Path:
        """Where the owners' folders are."""
        return self.project.data_dir

    @property
    def schemas(self) -> dict[str, CanonicalEntity]:
        """The canonical entities, read once."""
        if self._schemas is None:
            self._schemas = load_schemas(self.project.schemas)
        return self._schemas

    def owner_of(self, user: str) -> Owner:
        """The owner that a user is; see `pipelines.service.owners`."""
        return self.owner(owner_name(user, self.settings.default_owner))

    def owner(self, name: str) -> Owner:
        """The owner of that name, as rows of the store name it."""
        return Owner(name, self.data_dir)

    def state_of(self, owner: Owner) -> State:
        """The owner's open state, shared by all threads; do not close it."""
        with self._lock:
            if owner.name in self._states:
                self._states.move_to_end(owner.name)
                return self._states[owner.name]
        opened = open_state(owner)  # takes its time at an owner's first call, and others need not wait for it
        with self._lock:
            found = self._states.setdefault(owner.name, opened)
            if len(self._states) > OPEN_STATES:
                # connections in use go on, and are closed when they are given back
                self._states.popitem(last=False)[1].close()
        if found is not opened:
            opened.close()
        return found

    def owners_at_work(self) -> list[Owner]:
        """The default owner, and those whose states are open because somebody has asked for something of theirs."""
        with self._lock:
            names = dict.fromkeys((self.settings.default_owner, *self._states))
        return [self.owner(name) for name in names]

    def close(self) -> None:
        """Writes what is still in memory, closes the stores, and ends a sandbox of our own."""
        self.limits.stop()
        self.published.close()
        with self._lock:
            for state in self._states.values():
                state.close()
            self._states.clear()
        self.store.close()
        if self.sandbox is not None:
            self.sandbox.stop()


def open_context(
    project: Project, environment: Mapping[str, str] | None = None, sandbox: SandboxHandle | None = None
) -> Context:
    """Opens a project's service.

    Args:
        project: where mappings, schemas and data are.
        environment: default `os.environ`; comes before `.dlt/secrets.toml`.
        sandbox: where it is given, the service's CRMs are the emulated ones.

    Raises:
        SettingsError: a setting cannot be read.
        NewerStateError: a newer program wrote the store.
    """
    given = variables(project, os.environ if environment is None else environment)
    settings = from_environment(given)
    try:
        Owner(settings.default_owner, project.data_dir)
    except ValueError as problem:
        raise SettingsError(f"DEFAULT_OWNER: {problem}") from None
    store = open_state(Owner(SERVICE_OWNER, project.data_dir))
    return Context(
        settings, project, store, RateLimits(store), given, redactor=Redactor(settings.secrets()), sandbox=sandbox
    )
