"""Freshness between the schedules: what came by itself is unified soon, what grew old is pulled again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipelines.connections.owner import Owner
from pipelines.service import jobs
from pipelines.service.connections import connected
from pipelines.service.jobs import store as jobs_store
from pipelines.service.jobs.kinds import REFRESH, SYNC
from pipelines.service.unified.statuses import statuses
from pipelines.state import source_settings
from pipelines.state.database import now_us

if TYPE_CHECKING:
    from pipelines.service.context import Context

SOON, MINUTE = 1_000_000, 60_000_000


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


def sync_if_stale(context: Context, owner: Owner, names: Sequence[str]) -> list[str]:
    """Submits a sync of each source that is older than its owner lets it be (`cache_ttl_minutes`); their names.

    Whoever reads gets what is here, and does not wait; a source that is not enabled, or not connected, stays as it is.
    A sync that was tried counts, so that a CRM that is down is not asked at every call; a limit of 0 is a minute.
    """
    said = source_settings.load(context.state_of(owner))
    limits = {
        name: max(1, said[name].cache_ttl_minutes or 0) * MINUTE
        for name in names
        if name in said and said[name].enabled and said[name].cache_ttl_minutes is not None
    }
    if not limits:
        return []
    found, now = statuses(context, owner, list(limits)), now_us()
    old = [
        name
        for name, limit in limits.items()
        if found[name].status != "syncing" and (found[name].last_sync or 0) < now - limit
    ]
    old = [n for n in old if _last_asked(context, owner, n) < now - limits[n] and n in connected(context, owner)]
    for name in old:
        jobs.submit(context, owner.name, SYNC, [name], {"scheduled": True, "push": "off"})
    return old


def _last_asked(context: Context, owner: Owner, name: str) -> int:
    """When a sync of the source was last submitted, whatever came of it."""
    asked = jobs.listed(context, owner.name, kind=SYNC)
    return max((job.created_at for job in asked if name in job.connections), default=0)
