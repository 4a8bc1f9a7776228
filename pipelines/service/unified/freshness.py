"""What came by itself (webhooks, records entered here) is unified soon, but not at every piece of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.service.jobs import store as jobs_store
from pipelines.service.jobs.kinds import REFRESH, SYNC
from pipelines.state.database import now_us

if TYPE_CHECKING:
    from pipelines.service.context import Context

SOON = 1_000_000


def unify_soon(context: Context, owner: str, connection: str, needs_reading: bool) -> None:
    """Submits one job in so many seconds (`WEBHOOK_REFRESH_SECONDS`); one that waits already is enough.

    Args:
        context: the service, or a worker beside it.
        owner: whose.
        connection: where something came in.
        needs_reading: it is not in the raw log yet; only a sync gets it.
    """
    kind = SYNC if needs_reading else REFRESH
    params = {"scheduled": True, "push": "off"} if needs_reading else {"scheduled": True}
    last = jobs_store.listed(context.store, owner, connection_name=connection, kind=kind, limit=1)
    started = max((job.started_at or 0 for job in last), default=0)
    next_at = max(now_us() + SOON, started + int(context.settings.webhook_refresh_seconds * 1_000_000))
    with context.store.write() as store:
        jobs_store.add(store, owner, kind, [connection], params, next_at=next_at)
