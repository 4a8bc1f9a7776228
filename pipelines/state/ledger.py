"""The ledger: what became of every field that was written to a CRM, and what the CRM made of it.

A record's lines are written once, when its intent is settled, and never changed. What succeeded is an echo from then on
(`pipelines.state.echoes`): a value that reads like it is our own, not an edit (laws L4, L5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NamedTuple

import pyarrow as pa
import sqlalchemy as sa

from pipelines.state import arrow, echoes, ledger_lines, registry, rows, stamps
from pipelines.state.database import State, now_us
from pipelines.state.intents import Intent
from pipelines.state.push_tables import conflicts, created, ledger

SUCCEEDED = ("done", "adopted")
CLOSED = 1000
"""Intents that one statement closes at most."""


class Outcome(NamedTuple):
    """What became of an intent.

    `read_back` holds, for each field, the canonical value (JSON) that the CRM kept; `left_out` says of fields that were
    not sent with the others why; `tries` replaces the intent's count of tries where this one is not to count.
    """

    intent: Intent
    status: str
    record_key: str | None = None
    http_status: int | None = None
    error: str | None = None
    correlation_id: str | None = None
    next_attempt_at: int | None = None
    tries: int | None = None
    read_back: Mapping[str, str | None] = MappingProxyType({})
    has_read_back: bool = False
    left_out: Mapping[str, str] = MappingProxyType({})


class Conflict(NamedTuple):
    """Both sides edited the field since the last sync; `kept` is ours or theirs, by `rule`."""

    connection: str
    entity: str
    golden_id: str
    record_key: str
    field: str
    ours: str | None
    theirs: str | None
    kept: str
    rule: str
    ours_since: int | None
    theirs_since: int | None


def settle(state: State, outcomes: Sequence[Outcome]) -> None:
    """Writes outcomes down, all of them or none: intents closed, ledger lines, echoes, ids of what was created.

    They are on disk with the next intents at the latest, or the end of the run: an intent whose outcome a power cut has
    taken away is open, and asked for.
    """
    now = now_us()
    with state.write(durable=False) as connection:
        _close(connection, outcomes, now)
        rows.insert(connection, ledger, [_row(one, now) for one in outcomes], _ROW)
        good = [one for one in outcomes if one.status in SUCCEEDED and one.record_key is not None]
        # to most of what is adopted nothing was sent; an upsert that met a record is read back
        sent = [one for one in good if one.status == "done" or one.has_read_back]
        echoes.write(connection, [_echo(one, now) for one in sent if one.intent.changes])
        for entity in {one.intent.entity for one in good}:
            stamps.renew(connection, f"echoes:{entity}")
        for one in good:
            if one.intent.action == "create":
                _remember(connection, one, now)


def note_conflicts(state: State, run_id: str, found: Sequence[Conflict]) -> None:
    """Records conflicts; one that is known (same two values) is not recorded again."""
    names = ["run_id", *Conflict._fields, "at"]
    now = now_us()
    with state.write() as connection:
        for one in found:
            same = [conflicts.c[n] == getattr(one, n) for n in ("record_key", "entity", "field")]
            same += [conflicts.c[n].is_not_distinct_from(getattr(one, n)) for n in ("ours", "theirs")]
            if connection.execute(sa.select(conflicts.c.conflict_id).where(*same)).first() is None:
                rows.insert(connection, conflicts, [(run_id, *one, now)], names)


def last_conflicts(state: State, number: int) -> list[dict[str, Any]]:
    """The latest conflicts, the newest first; values are JSON text."""
    query = sa.select(conflicts).order_by(conflicts.c.conflict_id.desc()).limit(number)
    with state.read() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def load_created(state: State, entity: str, connection_name: str) -> Iterator[pa.RecordBatch]:
    """Records we made or adopted in the CRM: (record_key, golden_id, run_id, how, at)."""
    columns = [created.c[n] for n in ("record_key", "golden_id", "run_id", "how", "at")]
    with state.read() as connection:
        where = sa.and_(created.c.entity == entity, created.c.connection == connection_name)
        yield from arrow.read_arrow(connection, columns, where)


def load_archived(state: State, entity: str) -> Iterator[pa.RecordBatch]:
    """Records that we deleted in any CRM: (record_key)."""
    mine = (ledger.c.entity == entity, ledger.c.action == "archive", ledger.c.status == "done")
    with state.read() as connection:
        yield from arrow.read_arrow(connection, [ledger.c.record_key], sa.and_(*mine))


def of_run(state: State, run_id: str, connection_name: str | None = None) -> list[dict[str, Any]]:
    """The ledger's lines of one run, in the order they were settled."""
    query = sa.select(ledger).where(ledger.c.run_id == run_id)
    if connection_name is not None:
        query = query.where(ledger.c.connection == connection_name)
    with state.read() as connection:
        found = connection.execute(query.order_by(ledger.c.entry_id)).mappings()
        return [line for row in found for line in ledger_lines.lines(dict(row))]


_ROW = (
    "intent_id", "run_id", "connection", "entity", "golden_id", "record_key", "action", "fields", "status",
    "http_status", "error", "attempt", "planned_at", "sent_at", "settled_at", "correlation_id",
)  # fmt: skip


def _close(connection: sa.Connection, outcomes: Sequence[Outcome], now: int) -> None:
    """Closes the intents: those that ended alike in one statement, of which there is one for each answer of a batch."""
    told = ("status", "http_status", "error", "correlation_id", "next_attempt_at", "attempt")
    end = attrgetter(*told[:5])
    alike: dict[tuple[Any, ...], list[str]] = {}
    for one in outcomes:
        tries = one.intent.attempt if one.tries is None else one.tries
        ended = (*end(one), tries, one.record_key if _is_news(one) else None)
        alike.setdefault(ended, []).append(one.intent.intent_id)
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    sets = ", ".join(f"{name} = {mark}" for name in told)
    head = f"UPDATE intents SET {sets}, record_key = coalesce({mark}, record_key), settled_at = {mark} WHERE intent_id"
    for ended, ids in alike.items():
        for start in range(0, len(ids), CLOSED):
            some = ids[start : start + CLOSED]
            marks = ", ".join([mark] * len(some))
            connection.exec_driver_sql(f"{head} IN ({marks})", (*ended, now, *some))


def _is_news(one: Outcome) -> bool:
    return one.record_key is not None and one.record_key != one.intent.record_key


def _row(one: Outcome, now: int) -> tuple[Any, ...]:
    what = one.intent
    fields = ledger_lines.packed(what.changes, one.read_back, one.left_out if one.status == "done" else {})
    return (
        what.intent_id, what.run_id, what.connection, what.entity, what.golden_id, one.record_key or what.record_key,
        what.action, fields, one.status, one.http_status, one.error, what.attempt, what.planned_at, what.sent_at, now,
        one.correlation_id,
    )  # fmt: skip


def _echo(one: Outcome, now: int) -> tuple[str | int, ...]:
    what = one.intent
    kept = [(change, one.read_back.get(change.field) if one.has_read_back else change.new) for change in what.changes]
    return echoes.row(what.entity, one.record_key or "", what.connection, what.sent_at or now, kept)


def _remember(connection: sa.Connection, one: Outcome, now: int) -> None:
    what = one.intent
    assert one.record_key is not None
    row = (what.entity, one.record_key, what.connection, what.golden_id, what.intent_id, what.run_id, one.status, now)
    rows.upsert(connection, created, [row])
    registry.assign(connection, what.entity, one.record_key, what.golden_id)
