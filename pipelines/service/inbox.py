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
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal

import sqlalchemy as sa

from pipelines.state.database import State, now_us
from pipelines.state.service_more import webhook_latest
from pipelines.state.service_tables import webhook_inbox

MOST_WAITING = 20_000
MOST_AT_ONCE = 200
QUEUED, DONE, SET_ASIDE, SKIPPED = "queued", "done", "set_aside", "skipped"


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


@dataclass(frozen=True)
class Stored:
    """What became of an event. `is_known`: a record it carries was told of before."""

    inbox_id: int | None
    outcome: Literal["new", "duplicate", "older", "set_aside"]
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
            self._write(group)
            if is_last:
                return

    def _write(self, group: list[_Waiting]) -> None:
        try:
            with self._store.write() as connection:
                stored = [[_store_one(connection, one) for one in waiting.arrivals] for waiting in group]
        except Exception as problem:  # noqa: BLE001 - each sender is told, and tries again
            for waiting in group:
                waiting.done.set_exception(problem)
            return
        for waiting, outcome in zip(group, stored, strict=True):
            waiting.done.set_result(outcome)
        if any(one.outcome == "new" for outcome in stored for one in outcome):
            self._on_new()


_COLUMNS = (
    "owner", "connection", "scheme", "event_id", "occurred_at", "received_at", "body", "headers", "status", "reason",
)  # fmt: skip


def _store_one(connection: sa.Connection, one: Arrival) -> Stored:
    now = now_us()
    latest = _latest(connection, one)
    is_older = one.occurred_at is not None and 0 < len(latest) == len(one.records) and min(latest) > one.occurred_at
    status = SET_ASIDE if one.reason else SKIPPED if is_older else QUEUED
    event_id = one.event_id if one.event_id is not None else f"~{secrets.token_hex(12)}"
    body = json.dumps(one.body, ensure_ascii=False, separators=(",", ":"))
    reason = one.reason or ("older than what was told before" if is_older else None)
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    found = connection.exec_driver_sql(
        f"INSERT INTO webhook_inbox ({', '.join(_COLUMNS)}) VALUES ({', '.join([mark] * len(_COLUMNS))}) "
        "ON CONFLICT (owner, connection, event_id) DO NOTHING RETURNING inbox_id",
        (one.owner, one.connection, one.scheme, event_id, one.occurred_at, now, body, "{}", status, reason),
    ).fetchall()
    if not found:
        return Stored(None, "duplicate", bool(latest))
    inbox_id = int(found[0][0])
    if status == QUEUED and one.records:
        moment = one.occurred_at if one.occurred_at is not None else 0
        _note(connection, one, moment)
    return Stored(inbox_id, "set_aside" if one.reason else "older" if is_older else "new", bool(latest))


def _latest(connection: sa.Connection, one: Arrival) -> list[int]:
    """The newest moment told of each record that the event carries, of those that were told of."""
    if not one.records:
        return []
    c = webhook_latest.c
    keys = sa.or_(*(sa.and_(c.entity == entity, c.source_id == i) for entity, i in one.records))
    query = sa.select(c.occurred_at).where(c.owner == one.owner, c.connection == one.connection, keys)
    return [int(row[0]) for row in connection.execute(query)]


def _note(connection: sa.Connection, one: Arrival, moment: int) -> None:
    greatest = "max" if connection.dialect.name == "sqlite" else "greatest"
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    for entity, source_id in one.records:
        connection.exec_driver_sql(
            f"INSERT INTO webhook_latest VALUES ({', '.join([mark] * 5)}) "
            "ON CONFLICT (owner, connection, entity, source_id) DO UPDATE SET "
            f"occurred_at = {greatest}(webhook_latest.occurred_at, excluded.occurred_at)",
            (one.owner, one.connection, entity, source_id, moment),
        )


def waiting(store: State) -> dict[tuple[str, str], int]:
    """How many events of each owner's connection wait to be taken in."""
    c = webhook_inbox.c
    query = sa.select(c.owner, c.connection, sa.func.count()).where(c.status == QUEUED).group_by(c.owner, c.connection)
    with store.read() as connection:
        return {(str(o), str(n)): int(count) for o, n, count in connection.execute(query)}


def next_of(store: State, owner: str, name: str, most: int) -> list[dict[str, Any]]:
    """The oldest waiting events of one connection, in the order they came."""
    c = webhook_inbox.c
    query = sa.select(c.inbox_id, c.body, c.occurred_at, c.received_at)
    query = query.where(c.owner == owner, c.connection == name, c.status == QUEUED).order_by(c.inbox_id).limit(most)
    with store.read() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def latest_of(store: State, owner: str, name: str) -> dict[tuple[str, str], int]:
    """The newest moment told of each record of a connection, by (entity, id): us, 0 where it is not known."""
    c = webhook_latest.c
    query = sa.select(c.entity, c.source_id, c.occurred_at).where(c.owner == owner, c.connection == name)
    with store.read() as connection:
        return {(str(entity), str(i)): int(moment) for entity, i, moment in connection.execute(query)}


def close(store: State, outcomes: Sequence[tuple[int, str, str | None]]) -> None:
    """Notes what became of events: (inbox_id, status, reason)."""
    now = now_us()
    with store.write() as connection:
        mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
        if outcomes:
            connection.exec_driver_sql(
                f"UPDATE webhook_inbox SET status = {mark}, reason = {mark}, done_at = {mark} WHERE inbox_id = {mark}",
                [(status, reason, now, inbox_id) for inbox_id, status, reason in outcomes],
            )
