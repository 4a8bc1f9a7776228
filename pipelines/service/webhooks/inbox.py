"""The inbox of webhooks: what arrived is on disk before it is answered.

One thread writes for all: what came while the disk was busy goes into the next transaction (group commit), so that
hundreds of deliveries a second cost tens of commits. A second delivery of one event is told apart by its id. An event
that carries a record is compared with the newest moment that was told of that record: an older one is kept, marked as
skipped, and never applied.
"""

from __future__ import annotations

import asyncio
import json
import queue
import secrets
import threading
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import sqlalchemy as sa

from pipelines.state.database import State, now_us
from pipelines.state.service_tables import webhook_inbox
from pipelines.state.set_aside import QUEUED, SET_ASIDE

T = TypeVar("T")
MOST_WAITING = 20_000
MOST_AT_ONCE = 200
MOST_ASKED = 1_000
DONE, SKIPPED = "done", "skipped"


class InboxFull(Exception):  # noqa: N818 - says a state
    """More waits than can be written; the sender may try again."""


@dataclass(frozen=True)
class Arrival:
    """One event on its way into the inbox.

    Attributes:
        event_id: what two deliveries of one event share; None: each delivery is an event.
        occurred_at: us since 1970; None: the order of arrival holds.
        records: (entity, id) of the records that the event carries; none where it only points to some.
        reason: why nobody can make anything of it; it is set aside.
    """

    owner: str
    connection: str
    scheme: str
    body: Any
    event_id: str | None = None
    occurred_at: int | None = None
    records: Sequence[tuple[str, str]] = ()
    reason: str | None = None


Outcome = Literal["new", "duplicate", "older", "set_aside"]


@dataclass(frozen=True)
class Stored:
    """What became of an event. `is_known`: a record it carries was told of before."""

    inbox_id: int | None
    outcome: Outcome
    is_known: bool = False


@dataclass
class _Waiting:
    arrivals: Sequence[Arrival]
    done: Future[list[Stored]] = field(default_factory=Future)


class Inbox:
    """Writes what arrives; safe from all threads. `on_new` is called after each commit that holds something new."""

    def __init__(self, store: State, on_new: Any = None) -> None:
        self._store, self._on_new = store, on_new or (lambda: None)
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._write_all, name="webhook-inbox", daemon=True)

    def start(self) -> None:
        """Begins to write."""
        self._thread.start()

    def stop(self) -> None:
        """Writes what waits, and ends."""
        self._queue.put(None)
        self._thread.join(30)

    def put(self, arrivals: Sequence[Arrival]) -> Future[list[Stored]]:
        """Hands over the events of one delivery; the result is there once they are on disk, all or none.

        Raises:
            InboxFull: too many wait already.
        """
        waiting = _Waiting(arrivals)
        try:
            self._queue.put_nowait(waiting)
        except queue.Full:
            raise InboxFull("too many webhooks wait to be stored") from None
        return waiting.done

    def store(self, arrivals: Sequence[Arrival], timeout: float = 30) -> list[Stored]:
        """The same, and waits for the disk."""
        return self.put(arrivals).result(timeout)

    async def store_async(self, arrivals: Sequence[Arrival], timeout: float = 30) -> list[Stored]:
        """The same, without holding a thread."""
        return await asyncio.wait_for(asyncio.wrap_future(self.put(arrivals)), timeout)

    def _write_all(self) -> None:
        while (first := self._queue.get()) is not None:
            group, is_last = [first], False
            while len(group) < MOST_AT_ONCE:
                try:
                    more = self._queue.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    is_last = True
                    break
                group.append(more)
            # a sender that went away meanwhile has no answer, and sends again
            self._write([waiting for waiting in group if waiting.done.set_running_or_notify_cancel()])
            if is_last:
                return

    def _write_apart(self, group: list[_Waiting], problem: Exception) -> None:
        """One delivery that cannot be stored must not keep others out."""
        if len(group) == 1:
            group[0].done.set_exception(problem)
            return
        for waiting in group:
            self._write([waiting])

    def _write(self, group: list[_Waiting]) -> None:
        if not group:
            return
        try:
            with self._store.write() as connection:
                stored = iter(_store_group(connection, [one for waiting in group for one in waiting.arrivals]))
        except Exception as problem:  # noqa: BLE001 - each sender is told, and tries again
            self._write_apart(group, problem)
            return
        is_new = False
        for waiting in group:
            outcomes = [next(stored) for _ in waiting.arrivals]
            is_new = is_new or any(one.outcome == "new" for one in outcomes)
            waiting.done.set_result(outcomes)
        if is_new:
            self._on_new()


_COLUMNS = (
    "owner", "connection", "scheme", "event_id", "occurred_at", "received_at", "body", "headers", "status", "reason",
)  # fmt: skip
_Latest = dict[tuple[str, str, str, str], int]


def _store_group(connection: sa.Connection, arrivals: Sequence[Arrival]) -> list[Stored]:
    """All of a group in few statements, each event as if it came alone, in their order."""
    latest = _latest(connection, arrivals)
    before = dict(latest)
    decided = [_decide(one, latest) for one in arrivals]
    new_ids = _insert(connection, [row for row, _ in decided])
    changed = [(*key, moment) for key, moment in latest.items() if before.get(key) != moment]
    if changed:
        _note(connection, changed)
    stored = []
    for one, (row, is_known) in zip(arrivals, decided, strict=True):
        inbox_id = new_ids.pop((row[0], row[1], row[3]), None)  # the second of one event in a group finds none
        if inbox_id is None:
            stored.append(Stored(None, "duplicate", is_known))
        else:
            outcome: Outcome = "set_aside" if one.reason else "older" if row[8] == SKIPPED else "new"
            stored.append(Stored(inbox_id, outcome, is_known))
    return stored


def _decide(one: Arrival, latest: _Latest) -> tuple[tuple[Any, ...], bool]:
    """The row of an event, and whether a record it carries was told of before; notes the moment it tells."""
    keys = [(one.owner, one.connection, entity, source_id) for entity, source_id in one.records]
    moments = [latest[key] for key in keys if key in latest]
    is_older = one.occurred_at is not None and 0 < len(moments) == len(keys) and min(moments) > one.occurred_at
    status = SET_ASIDE if one.reason else SKIPPED if is_older else QUEUED
    if status == QUEUED:
        for key in keys:
            latest[key] = max(latest.get(key, 0), one.occurred_at or 0)
    event_id = one.event_id if one.event_id is not None else f"~{secrets.token_hex(12)}"
    body = json.dumps(one.body, separators=(",", ":"))  # in ASCII: half a surrogate is no text for a database
    reason = one.reason or ("older than what was told before" if is_older else None)
    row = (one.owner, one.connection, one.scheme, event_id, one.occurred_at, now_us(), body, "{}", status, reason)
    return row, bool(moments)


def _latest(connection: sa.Connection, arrivals: Sequence[Arrival]) -> _Latest:
    """The newest moment told of each record that the events carry, of those that were told of."""
    wanted: dict[tuple[str, str], set[str]] = {}
    for one in arrivals:
        if one.records:
            wanted.setdefault((one.owner, one.connection), set()).update(i for _, i in one.records)
    found: _Latest = {}
    for (owner, name), ids in wanted.items():
        some = _asked(connection, owner, name, ids)
        found |= {(owner, name, *key): moment for key, moment in some.items()}
    return found


def _asked(connection: sa.Connection, owner: str, name: str, ids: Collection[str]) -> dict[tuple[str, str], int]:
    mark = _mark(connection)
    found: dict[tuple[str, str], int] = {}
    for some in _parts(sorted(ids)):
        query = (
            "SELECT entity, source_id, occurred_at FROM webhook_latest "
            f"WHERE owner = {mark} AND connection = {mark} AND source_id IN ({', '.join([mark] * len(some))})"
        )
        rows = connection.exec_driver_sql(query, (owner, name, *some))
        found |= {(entity, source_id): int(moment) for entity, source_id, moment in rows}
    return found


def _insert(connection: sa.Connection, group: Sequence[tuple[Any, ...]]) -> dict[tuple[str, str, str], int]:
    """The ids of those rows that are new, by owner, connection and event id."""
    one = f"({', '.join([_mark(connection)] * len(_COLUMNS))})"
    new: dict[tuple[str, str, str], int] = {}
    for some in _parts(group):
        found = connection.exec_driver_sql(
            f"INSERT INTO webhook_inbox ({', '.join(_COLUMNS)}) VALUES {', '.join([one] * len(some))} "
            "ON CONFLICT (owner, connection, event_id) DO NOTHING RETURNING owner, connection, event_id, inbox_id",
            tuple(value for row in some for value in row),
        )
        new |= {(owner, name, event_id): int(inbox_id) for owner, name, event_id, inbox_id in found}
    return new


def _parts(many: Sequence[T]) -> Iterator[Sequence[T]]:
    """A statement takes 32,766 values in SQLite and 65,535 in PostgreSQL, and one delivery may hold more."""
    return (many[begin : begin + MOST_ASKED] for begin in range(0, len(many), MOST_ASKED))


def _note(connection: sa.Connection, changed: list[tuple[Any, ...]]) -> None:
    connection.exec_driver_sql(
        f"INSERT INTO webhook_latest VALUES ({', '.join([_mark(connection)] * 5)}) "
        "ON CONFLICT (owner, connection, entity, source_id) DO UPDATE SET occurred_at = excluded.occurred_at",
        changed,
    )


def _mark(connection: sa.Connection) -> str:
    return "?" if connection.dialect.paramstyle == "qmark" else "%s"


def waiting(store: State) -> dict[tuple[str, str], int]:
    """How many events of each owner's connection wait to be taken in."""
    c = webhook_inbox.c
    query = sa.select(c.owner, c.connection, sa.func.count()).where(c.status == QUEUED).group_by(c.owner, c.connection)
    with store.read() as connection:
        return {(str(o), str(n)): int(count) for o, n, count in connection.execute(query)}


def next_of(store: State, owner: str, name: str, most: int) -> list[dict[str, Any]]:
    """The oldest waiting events of one connection, in the order they came."""
    c = webhook_inbox.c
    query = sa.select(c.inbox_id, c.body, c.occurred_at, c.received_at, c.reason)
    query = query.where(c.owner == owner, c.connection == name, c.status == QUEUED).order_by(c.inbox_id).limit(most)
    with store.read() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def latest_of(store: State, owner: str, name: str, ids: Collection[str]) -> dict[tuple[str, str], int]:
    """The newest moment told of each of these records of a connection, by (entity, id): us, 0 where none was told."""
    with store.read() as connection:
        return _asked(connection, owner, name, ids)


def close(store: State, outcomes: Sequence[tuple[int, str, str | None]]) -> None:
    """Notes what became of events: (inbox_id, status, reason)."""
    now = now_us()
    with store.write() as connection:
        mark = _mark(connection)
        if outcomes:
            connection.exec_driver_sql(
                f"UPDATE webhook_inbox SET status = {mark}, reason = {mark}, done_at = {mark} WHERE inbox_id = {mark}",
                [(status, reason, now, inbox_id) for inbox_id, status, reason in outcomes],
            )
