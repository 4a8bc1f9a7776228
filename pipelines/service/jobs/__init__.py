"""Jobs: `submit(context, owner, "sync", ["north"], {"push": "off"})` gives an id.

`wait(context, id, 60)` tells how it ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipelines.service.jobs import store
from pipelines.service.jobs.kinds import REFRESH, SYNC, register
from pipelines.service.jobs.store import Job

if TYPE_CHECKING:
    from pipelines.service.context import Context

__all__ = ["REFRESH", "SYNC", "Job", "cancel", "get", "listed", "register", "submit", "wait"]


def submit(
    context: Context, owner: str, kind: str, connections: Sequence[str] = (), params: dict[str, Any] | None = None
) -> str:
    """Submits a job; it is on disk when this returns, and one that waits and asks for the same is given back instead.

    Args:
        context: the running service.
        owner: whose.
        kind: "sync" (the whole way), "refresh" (what is in the raw logs is unified and published), or a registered one.
        connections: by name.
        params: of a sync: push (plan, apply, off), full_refresh, stages, allow_mass_change; `scheduled`: failures are
            tried again.
    """
    with context.store.write() as connection:
        job_id = store.add(connection, owner, kind, connections, params)
    if context.background is not None:
        context.background.jobs.wake()
    return job_id


def wait(context: Context, job_id: str, timeout: float) -> Job | None:
    """The job once it has ended; None where it goes on beyond `timeout` seconds."""
    if context.background is None:
        raise RuntimeError("jobs run while the service does")
    found: Job | None = context.background.jobs.wait(job_id, timeout)
    return found


def get(context: Context, job_id: str, owner: str) -> Job | None:
    """An owner's job by its id."""
    return store.get(context.store, job_id, owner)


def listed(context: Context, owner: str, **which: Any) -> list[Job]:
    """An owner's jobs, the newest first; see `store.listed` for what may be asked."""
    return store.listed(context.store, owner, **which)


def cancel(context: Context, job_id: str, owner: str) -> bool:
    """Cancels an owner's job; False where there is none, or it has ended already."""
    job = store.get(context.store, job_id, owner)
    if job is None or job.has_ended or context.background is None:
        return False
    return bool(context.background.jobs.cancel(job))
