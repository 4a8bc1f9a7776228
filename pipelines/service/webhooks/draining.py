"""From the inbox into the raw log: what webhooks told is taken in batches, one connection at a time.

A batch holds the connection's extract lock, so it never meets a sync, and leaves the next staging to the next run. What
cannot be fetched now waits and is tried again; what can never be, the next sync reads.
"""

from __future__ import annotations

import gc
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from requests.adapters import BaseAdapter

from pipelines.commands import rest
from pipelines.connections.connection import Connection
from pipelines.connections.errors import SettingsError
from pipelines.connections.locks import TAKING_IN, LockHeld, lock
from pipelines.mapping.problems import MappingErrors
from pipelines.service.connections import allowed
from pipelines.service.guarded_calls import GuardedAdapter
from pipelines.service.webhooks import inbox
from pipelines.service.webhooks.events import Meaning, Unmappable, meaning
from pipelines.state import service_connections, set_aside
from pipelines.state.set_aside import SET_ASIDE

if TYPE_CHECKING:
    from pipelines.extract.told import Told
    from pipelines.service.context import Context

logger = logging.getLogger("crosswalk.service")
PAUSE_SECONDS, LONGEST_PAUSE = 1.0, 30.0
BATCH = 5_000
BACK_OFF = (5, 60, 600, 3600)
Key = tuple[str, str]


@dataclass
class _Later:
    """When a connection that failed is tried again."""

    tries: int = 0
    at: float = 0.0


class Drainer:
    """Takes in what waits, in a thread of its own.

    Args:
        context: the running service.
        resolve: gives the connection of an owner by its name.
        on_taken: called as `on_taken(owner, connection, needs_reading)` after something came into the raw log, or must
            be read by a sync.
    """

    def __init__(
        self, context: Context, resolve: Callable[[str, str], Connection], on_taken: Callable[[str, str, bool], None]
    ) -> None:
        self._context, self._resolve, self._on_taken = context, resolve, on_taken
        self._news, self._ending = threading.Event(), threading.Event()
        self._later: dict[Key, _Later] = {}
        self._is_frozen = False
        self._thread = threading.Thread(target=self._run, name="webhook-drain", daemon=True)

    def start(self) -> None:
        """Begins with what an earlier service left."""
        self._news.set()
        self._thread.start()

    def stop(self) -> None:
        """Ends after the batch at hand."""
        self._ending.set()
        self._news.set()
        self._thread.join(60)

    def wake(self) -> None:
        """Something is there."""
        self._news.set()

    def _run(self) -> None:
        while not self._ending.is_set():
            self._news.wait(PAUSE_SECONDS * 5)
            self._news.clear()
            if self._ending.is_set():
                return
            began = time.monotonic()
            try:
                if self.drain() and not self._is_frozen:
                    # what was imported for it stays; looking through it for garbage would stop every answer
                    gc.collect()
                    gc.freeze()
                    self._is_frozen = True
            except Exception:
                self._context.metrics.failures.labels("webhooks").inc()
                logger.exception("webhooks could not be taken in; they wait")
            # taking in may cost a quarter of the time, so that who calls meanwhile is answered
            self._ending.wait(max(PAUSE_SECONDS, 3 * min(time.monotonic() - began, LONGEST_PAUSE / 3)))

    def drain(self) -> int:
        """One round over all connections; how many events were closed."""
        closed = 0
        for owner, name in inbox.waiting(self._context.store):
            later = self._later.get((owner, name))
            if later is None or later.at <= time.monotonic():
                closed += self._drain_one(owner, name)
        return closed

    def _drain_one(self, owner: str, name: str) -> int:
        events = inbox.next_of(self._context.store, owner, name, BATCH)
        try:
            connection = self._resolve(owner, name)
            batch = _Batch(connection)
            for event in events:
                batch.add(event)
            set_aside.note_told(self._context.store, owner, name, batch.late)
            batch.sort_out(inbox.latest_of(self._context.store, owner, name, batch.told_ids))
            batch.take(self._context.state_of(connection.owner), self._adapter(connection))
        except (SettingsError, MappingErrors) as problem:
            return self._set_aside(events, f"the connection cannot be used: {self._context.redactor.text(problem)}")
        except LockHeld:
            self._later[owner, name] = _Later(0, time.monotonic() + PAUSE_SECONDS)
            return 0
        except Exception as problem:  # noqa: BLE001 - what waits stays, and is tried again
            self._postpone(owner, name, problem)
            return 0
        self._later.pop((owner, name), None)
        if batch.has_taken or batch.needs_reading:
            self._on_taken(owner, name, batch.needs_reading)
        inbox.close(self._context.store, batch.outcomes)
        if len(events) == BATCH:
            self._news.set()
        return len(batch.outcomes)

    def _adapter(self, connection: Connection) -> GuardedAdapter | None:
        """Who connected over the API named an address, which leads only where users may go."""
        if service_connections.get(self._context.state_of(connection.owner), connection.name) is None:
            return None
        return GuardedAdapter(allowed(self._context), connection.wire.concurrency)

    def _set_aside(self, events: list[dict[str, Any]], reason: str) -> int:
        inbox.close(self._context.store, [(e["inbox_id"], SET_ASIDE, reason) for e in events])
        return len(events)

    def _postpone(self, owner: str, name: str, problem: Exception) -> None:
        later = self._later.setdefault((owner, name), _Later())
        seconds = BACK_OFF[min(later.tries, len(BACK_OFF) - 1)]
        later.tries, later.at = later.tries + 1, time.monotonic() + seconds
        said = self._context.redactor.text(problem)
        logger.warning("[%s] webhooks wait, next try in %d s: %s", name, seconds, said)


@dataclass
class _Batch:
    """What one connection's waiting events ask for.

    Attributes:
        outcomes: (inbox_id, status, reason).
        late: of records in events that were set aside before: the newest moment that these tell, by (entity, id).
    """

    connection: Connection
    told: dict[str, Told] = field(default_factory=dict)
    sent: list[tuple[str, str, Any, int | None, int]] = field(default_factory=list)
    outcomes: list[tuple[int, str, str | None]] = field(default_factory=list)
    late: dict[tuple[str, str], int] = field(default_factory=dict)
    has_taken: bool = False
    needs_reading: bool = False

    def add(self, event: dict[str, Any]) -> None:
        """One more event, in the order they came."""
        inbox_id = int(event["inbox_id"])
        try:
            meant = meaning(self.connection.mapping, json.loads(event["body"]))
            self._check(meant)
        except Unmappable as problem:
            self.outcomes.append((inbox_id, SET_ASIDE, str(problem)))
            return
        for entity, source_id in meant.fetch:
            self._of(entity).fetch.append(source_id)
        moment, received_at, is_late = event["occurred_at"], int(event["received_at"]), event["reason"] is not None
        for entity, source_id in meant.gone:
            told = self._of(entity)  # what comes late may have come back since: the CRM is asked
            (told.fetch if is_late else told.gone).append(source_id)
        for entity, source_id, _ in meant.records if is_late and moment is not None else ():
            self.late[entity, source_id] = max(moment, self.late.get((entity, source_id), 0))
        self.sent += [(entity, source_id, record, moment, received_at) for entity, source_id, record in meant.records]
        self.outcomes.append((inbox_id, inbox.DONE, None))

    @property
    def told_ids(self) -> set[str]:
        """Ids of the records that were sent."""
        return {one[1] for one in self.sent}

    def sort_out(self, latest: dict[tuple[str, str], int]) -> None:
        """Of each record that was sent the last one holds, unless a newer moment was told of it."""
        for entity, source_id, record, moment, received_at in self.sent:
            if moment is None or latest.get((entity, source_id), 0) <= moment:
                self._of(entity).records[source_id] = (record, received_at)

    def _check(self, meant: Meaning) -> None:
        named = [*meant.fetch, *meant.gone, *((entity, i) for entity, i, _ in meant.records)]
        unknown = {entity for entity, _ in named} - set(self.connection.entities)
        if unknown:
            raise Unmappable(f"the connection does not sync {', '.join(sorted(unknown))}")

    def _of(self, entity: str) -> Told:
        from pipelines.extract.told import Told

        return self.told.setdefault(entity, Told())

    def take(self, state: Any, adapter: BaseAdapter | None) -> None:
        """Into the raw log; pointers of a connection that was never read are left to its first sync."""
        is_pointer = all(not one.records for one in self.told.values())
        if not self.told:
            return
        if is_pointer and not self.connection.owner.raw(self.connection.name).exists():
            self.needs_reading = True
            return
        from pipelines.extract.told import take_told

        owner = self.connection.owner
        with lock(owner, f"extract-{self.connection.name}", TAKING_IN, wait_seconds=2):
            rest.disturb(owner)
            taken = take_told(self.connection, self.told, state=state, adapter=adapter)
            rest.disturb(owner)
        self.has_taken = any(read.new or read.changed or read.deleted for read in taken.reads)
        self.needs_reading = bool(taken.unanswered)
