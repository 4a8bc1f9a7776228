"""Forgets what was pulled: the next sync pulls it again. Golden ids, answers, the ledger and local records stay."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from pipelines.connections.locks import LockHeld, lock
from pipelines.connections.owner import Owner
from pipelines.service import jobs
from pipelines.service.connections import LOCAL
from pipelines.service.errors import ServiceError
from pipelines.state import baselines

if TYPE_CHECKING:
    from pipelines.service.context import Context

WAIT_SECONDS = 30.0
LONGEST_SECONDS = 600.0


def pulled(owner: Owner) -> list[str]:
    """The sources whose records are kept here, but for what is entered here."""
    return sorted(path.stem for path in owner.raw("x").parent.glob("*.duckdb") if path.stem != LOCAL)


def clear(context: Context, owner: Owner, names: Sequence[str]) -> None:
    """Forgets what was pulled of these sources, and publishes what is left.

    Raises:
        ServiceError: 409 where a sync is at work on one of them; 504 where publishing takes too long.
    """
    here = [name for name in names if owner.raw(name).exists()]
    if not here:
        return
    try:
        with ExitStack() as held:
            for name in here:
                held.enter_context(
                    lock(owner, f"extract-{name}", "forgetting what was pulled", wait_seconds=WAIT_SECONDS)
                )
            held.enter_context(lock(owner, "warehouse", "forgetting what was pulled", wait_seconds=WAIT_SECONDS))
            _forget(owner, here)
    except LockHeld as busy:
        raise ServiceError(409, "A sync is at work; try again when it is done", details=str(busy)) from None
    baselines.forget_sources(context.state_of(owner), here)  # law L10
    # what is left is unified and published by a process of its own, in which nothing is read and no guard trips
    job_id = jobs.submit(context, owner.name, jobs.REFRESH, [LOCAL], {"allow_mass_change": True})
    if jobs.wait(context, job_id, LONGEST_SECONDS) is None:
        raise ServiceError(504, "What was pulled is forgotten; publishing the rest goes on")


def _forget(owner: Owner, names: Sequence[str]) -> None:
    for name in names:
        path = owner.raw(name)
        for file in (path, path.with_name(f"{path.name}.wal")):
            file.unlink(missing_ok=True)
    # the warehouse is derived; at rest: nothing is any more
    for file in (
        owner.warehouse,
        owner.warehouse.with_name(f"{owner.warehouse.name}.wal"),
        owner.root / "at_rest.json",
    ):
        file.unlink(missing_ok=True)
