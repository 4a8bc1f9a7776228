"""Webhooks that could not be made anything of: kept with their reason, and tried again.

An event that is tried again is queued and keeps its reason, so that whoever takes it in knows that it comes late: newer
ones may have been told since.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from pipelines.state.database import State, now_us
from pipelines.state.service_more import webhook_latest
from pipelines.state.service_tables import webhook_inbox

QUEUED, SET_ASIDE = "queued", "set_aside"
FIRST_AFTER = 600_000_000
"""Ten minutes; then each time after as long again as it has waited."""


def listed(store: State, owner: str, *, before: int | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """An owner's events that are set aside, the newest first; without their bodies, which are people's data."""
    c = webhook_inbox.c
    query = sa.select(c.inbox_id, c.connection, c.event_id, c.reason, c.received_at, c.done_at)
    query = query.where(c.owner == owner, c.status == SET_ASIDE)
    if before is not None:
        query = query.where(c.inbox_id < before)
    with store.read() as connection:
        return [dict(row) for row in connection.execute(query.order_by(c.inbox_id.desc()).limit(limit)).mappings()]


def try_again(store: State, owner: str | None = None, name: str | None = None) -> int:
    """Queues what is set aside, of one owner or connection or of all; how many."""
    c = webhook_inbox.c
    wanted = [column == value for column, value in ((c.owner, owner), (c.connection, name)) if value is not None]
    return _queue(store, wanted)


def try_due(store: State) -> int:
    """Queues what has waited long enough since it was last tried; how many."""
    c = webhook_inbox.c
    tried_at, now = sa.func.coalesce(c.done_at, c.received_at), now_us()
    return _queue(store, [c.received_at <= now - FIRST_AFTER, 2 * tried_at - c.received_at <= now])


def _queue(store: State, wanted: list[sa.ColumnElement[bool]]) -> int:
    is_aside = webhook_inbox.c.status == SET_ASIDE
    with store.read() as connection:  # most looks find none, and need not wait for a writer
        if connection.execute(sa.select(webhook_inbox.c.inbox_id).where(is_aside, *wanted).limit(1)).first() is None:
            return 0
    with store.write() as connection:
        queued = sa.update(webhook_inbox).where(is_aside, *wanted).values(status=QUEUED)
        return int(connection.execute(queued).rowcount)


def note_told(store: State, owner: str, name: str, moments: Mapping[tuple[str, str], int]) -> None:
    """Of records that come late: the moments that were told of them, where none newer is known.

    Args:
        store: the state of the service.
        owner: whose.
        name: of which connection.
        moments: us since 1970 by (entity, id).
    """
    if not moments:
        return
    mark = "?" if store.engine.dialect.paramstyle == "qmark" else "%s"
    with store.write() as connection:
        connection.exec_driver_sql(
            f"INSERT INTO {webhook_latest.name} VALUES ({', '.join([mark] * 5)}) "
            "ON CONFLICT (owner, connection, entity, source_id) DO UPDATE SET occurred_at = excluded.occurred_at "
            f"WHERE {webhook_latest.name}.occurred_at < excluded.occurred_at",
            [(owner, name, entity, source_id, moment) for (entity, source_id), moment in sorted(moments.items())],
        )
