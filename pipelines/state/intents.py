"""Intents: what is about to be written to a CRM, on disk before the call goes out (law L8).

The life of one: open, then done, adopted (a create that found its twin), failed (tried again later), dead (no more
tries), uncertain (nobody can know whether the CRM did it), skipped (the record had changed) or, once a newer intent
for the same record is opened, superseded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import sqlalchemy as sa

from pipelines.state import rows
from pipelines.state.database import State, now_us
from pipelines.state.push_tables import IN_WORK, WAITING, intents

if TYPE_CHECKING:
    import pyarrow as pa

ENDED = "ended"
"""Of an intent's extra: what became of a record that was not to be sent."""
NOT_FOUND = "no longer in the CRM"
"""Error of what was skipped because the CRM has no such record."""


class Change(NamedTuple):
    """One field of an intent; values are JSON text, `since` the edit time (us) of the value that is sent."""

    field: str
    old: str | None
    new: str | None
    since: int | None = None


@dataclass(slots=True)
class Intent:
    """One write to one record. `extra` holds what settling it after a crash needs (such as the keys of a search)."""

    intent_id: str
    run_id: str
    connection: str
    entity: str
    action: str
    golden_id: str
    record_key: str | None
    changes: tuple[Change, ...]
    fingerprint: str = ""
    attempt: int = 1
    extra: dict[str, Any] = field(default_factory=dict)
    planned_at: int = field(default_factory=now_us)
    sent_at: int | None = None


def open_all(state: State, fresh: Sequence[Intent]) -> None:
    """Writes the intents down, with this moment as theirs; when it returns they are on disk and calls may go out."""
    now = now_us()
    for one in fresh:
        one.sent_at = now
    with state.write() as connection:
        _supersede(connection, fresh)
        rows.insert(connection, intents, [_row(one, now) for one in fresh], _NAMES)


def unsettled(state: State, connection_name: str) -> list[Intent]:
    """Intents whose outcome a crash has kept from us, the oldest first."""
    query = sa.select(intents).where(IN_WORK, intents.c.connection == connection_name, intents.c.status == "open")
    with state.read() as connection:
        return [_intent(row) for row in connection.execute(query.order_by(intents.c.sent_at)).mappings()]


def unfinished(state: State, connection_name: str, entity: str) -> Iterator[pa.RecordBatch]:
    """Intents that did not succeed, for the plan: who waits for what, until when, and with which fingerprint."""
    from pipelines.state.arrow import read_arrow  # only where rows wait for it: importing Arrow takes long

    names = ("intent_id", "golden_id", "record_key", "action", "status", "attempt", "next_attempt_at", "fingerprint")
    columns = [intents.c[name] for name in (*names, "error")]
    where = (IN_WORK, intents.c.connection == connection_name, intents.c.entity == entity)
    with state.read() as connection:
        yield from read_arrow(connection, columns, sa.and_(*where))


def failures(state: State, connection_name: str | None = None) -> list[dict[str, Any]]:
    """All that failed, is dead or uncertain, with its changes decoded; the oldest first."""
    query = sa.select(intents).where(WAITING, intents.c.status != "skipped")
    if connection_name is not None:
        query = query.where(intents.c.connection == connection_name)
    with state.read() as connection:
        found = connection.execute(query.order_by(intents.c.planned_at)).mappings().all()
    return [{**row, "payload": json.loads(row["payload"])} for row in found]


def not_found(state: State, connection_name: str, entity: str) -> list[str]:
    """Keys of the records that the last write to them did not find."""
    mine = (WAITING, intents.c.connection == connection_name, intents.c.entity == entity)
    said = (intents.c.status == "skipped", intents.c.error == NOT_FOUND)
    with state.read() as connection:
        found = connection.execute(sa.select(intents.c.record_key).where(*mine, *said).distinct())
        return sorted(str(row[0]) for row in found)


def lost_creates(state: State, connection_name: str, entity: str) -> dict[str, str]:
    """By golden id: the last run that sent a creation whose answer nobody saw, and did not find what became of it."""
    table = intents.c
    mine = (table.connection == connection_name, table.entity == entity, table.action == "create")
    lost = (table.status.in_(("failed", "dead", "superseded")), table.error.is_not(None))
    unanswered = sa.or_(table.http_status.is_(None), table.http_status >= 500)
    query = sa.select(table.golden_id, table.run_id, table.payload).where(*mine, *lost, unanswered)
    with state.read() as connection:
        found = connection.execute(query.order_by(table.sent_at)).all()
    return {golden: run for golden, run, payload in found if ENDED not in json.loads(payload)}


def retry(state: State, connection_name: str | None = None, intent_ids: Iterable[str] | None = None) -> int:
    """Lets failed, dead and uncertain intents be tried at the next run, with all their tries; returns how many.

    An uncertain one is released only when it is named: it may be in the CRM already.
    """
    table = intents.c
    named = None if intent_ids is None else list(intent_ids)
    which: list[sa.ColumnElement[bool]] = [
        WAITING, table.status.in_(("failed", "dead") if named is None else ("failed", "dead", "uncertain"))
    ]  # fmt: skip
    which += [table.connection == connection_name] if connection_name is not None else []
    which += [table.intent_id.in_(named)] if named is not None else []
    release = sa.update(intents).where(*which).values(status="failed", attempt=0, next_attempt_at=now_us())
    with state.write() as connection:
        return int(connection.execute(release).rowcount)


def drop(state: State, intent_ids: Iterable[str]) -> None:
    """What failed is no longer wanted: the record has become as it should be in another way."""
    with state.write() as connection:
        for one in intent_ids:
            gone = intents.c.intent_id == one, intents.c.status != "open"
            connection.execute(sa.update(intents).where(*gone).values(status="superseded"))


def _supersede(connection: sa.Connection, fresh: Sequence[Intent]) -> None:
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    statement = (
        "UPDATE intents SET status = 'superseded' WHERE connection = ? AND entity = ? AND golden_id = ? "
        f"AND action = ? AND coalesce(record_key, '') = ? AND {WAITING}"
    ).replace("?", mark)
    waiting = sa.select(intents.c.intent_id).where(WAITING, intents.c.connection.in_({one.connection for one in fresh}))
    if connection.execute(waiting.limit(1)).first() is None:
        return
    keys = [(one.connection, one.entity, one.golden_id, one.action, one.record_key or "") for one in fresh]
    if keys:
        connection.exec_driver_sql(statement, keys)


_NAMES = (
    "intent_id", "run_id", "connection", "entity", "action", "golden_id", "record_key", "fingerprint", "attempt",
    "planned_at", "payload", "status", "sent_at",
)  # fmt: skip


def _row(one: Intent, now: int) -> tuple[Any, ...]:
    return (
        one.intent_id, one.run_id, one.connection, one.entity, one.action, one.golden_id, one.record_key,
        one.fingerprint, one.attempt, one.planned_at, _payload(one), "open", now,
    )  # fmt: skip


def _payload(one: Intent) -> str:
    told = {"changes": [[*change] for change in one.changes], **one.extra}
    try:
        return orjson.dumps(told).decode()
    except (TypeError, orjson.JSONEncodeError):  # an integer of more than 64 bits, a number with a fraction
        return json.dumps(told, default=str)


def _intent(row: sa.RowMapping) -> Intent:
    payload = json.loads(row["payload"])
    changes = tuple(Change(*change) for change in payload.pop("changes"))
    names = ("intent_id", "run_id", "connection", "entity", "action", "golden_id", "record_key", "fingerprint")
    plain = {name: row[name] for name in (*names, "attempt", "planned_at", "sent_at")}
    return Intent(**plain, changes=changes, extra=payload)
