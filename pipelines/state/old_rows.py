"""Rows of history that are older than is kept. Runs, their counts and the ledger stay: they are what can be audited."""

from __future__ import annotations

import sqlalchemy as sa

from pipelines.state.database import State, now_us
from pipelines.state.service_tables import jobs, webhook_inbox
from pipelines.state.tables import check_results, notices

DAY = 86_400_000_000


def drop_of_owner(state: State, days: int) -> int:
    """Results of checks, and notices that were closed, of more than so many days ago; how many."""
    before = now_us() - days * DAY
    with state.write() as connection:
        old = connection.execute(sa.delete(check_results).where(check_results.c.at < before)).rowcount
        closed = connection.execute(sa.delete(notices).where(notices.c.closed_at < before)).rowcount
    return int(old + closed)


def drop_of_service(store: State, days: int) -> int:
    """Jobs that ended, and webhooks that were taken in or set aside, more than so many days ago; how many."""
    before = now_us() - days * DAY
    with store.write() as connection:
        ended = connection.execute(sa.delete(jobs).where(jobs.c.finished_at < before)).rowcount
        taken = sa.delete(webhook_inbox).where(webhook_inbox.c.status != "queued", webhook_inbox.c.received_at < before)
        told = connection.execute(taken).rowcount
    return int(ended + told)
