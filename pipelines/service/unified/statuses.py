"""How each source stands: at rest, being synced, or failed; when it was last synced."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from pipelines.commands.exits import Exit
from pipelines.connections.locks import holder
from pipelines.connections.owner import Owner
from pipelines.mapping.document import read_document
from pipelines.service import jobs
from pipelines.service.connections import connected, labels
from pipelines.service.jobs.store import QUEUED, RUNNING
from pipelines.service.unified import records
from pipelines.state import service_connections
from pipelines.state.database import State
from pipelines.state.tables import runs

if TYPE_CHECKING:
    from pipelines.service.context import Context

FILE = Path(__file__).with_name("unified.yml")
LOOKED_AT = 300
_ENDED_WELL = (Exit.DONE, Exit.CHECKS_FAILED, Exit.GUARDED)


@dataclass(frozen=True)
class Status:
    """One source. `last_sync` is in us since 1970; None: never."""

    status: Literal["idle", "syncing", "error"]
    last_sync: int | None
    error: str | None = None


@cache
def always_shown() -> tuple[str, ...]:
    """Sources that are in every answer."""
    return tuple(read_document(FILE).data["always_shown"])


def shown(context: Context, owner: Owner) -> list[str]:
    """The sources of an answer about all: those that must be there, that are connected, that have records."""
    names = {*always_shown(), *connected(context, owner), *records.counts(context, owner)}
    return sorted(names)


def statuses(context: Context, owner: Owner, names: list[str]) -> dict[str, Status]:
    """Each source's status."""
    state = context.state_of(owner)
    last = _last_runs(context, state, names)
    kept = {one.provider: one for one in service_connections.load(state)}
    at_work = {name for job in jobs.listed(context, owner.name, status=[QUEUED, RUNNING]) for name in job.connections}
    found = {}
    for name in names:
        last_sync, error = last.get(name, (None, None))
        if name in kept:
            last_sync = max(filter(None, (last_sync, kept[name].last_sync)), default=None)
            error = kept[name].last_error
        is_syncing = name in at_work or holder(owner, f"extract-{name}") is not None
        found[name] = Status("syncing" if is_syncing else "error" if error else "idle", last_sync, error)
    return found


def moment(us: int | None) -> str | None:
    """A moment as the contracts write it."""
    if us is None:
        return None
    return datetime.fromtimestamp(us / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _last_runs(context: Context, state: State, names: list[str]) -> dict[str, tuple[int | None, str | None]]:
    """By source: when it last came through, and what stopped the last try."""
    c = runs.c
    query = sa.select(c.connections, c.finished_at, c.exit_code, c.summary).where(c.finished_at.is_not(None))
    known = labels(context, names)
    well: dict[str, int] = {}
    tried: dict[str, str | None] = {}
    with state.read() as connection:
        for names_json, finished, code, summary in connection.execute(
            query.order_by(c.started_at.desc()).limit(LOOKED_AT)
        ):
            for name in set(json.loads(names_json)) & set(names):
                error = _error_of(known[name], code, summary)
                tried.setdefault(name, error)
                if error is None:
                    well.setdefault(name, int(finished))
    return {name: (well.get(name), error) for name, error in tried.items()}


def _error_of(label: str, code: int | None, summary: str | None) -> str | None:
    if code in _ENDED_WELL:
        return None
    messages: list[Any] = json.loads(summary or "{}").get("messages", [])
    mine = [str(text) for text in messages if str(text).startswith(f"[{label}]")]
    if mine:
        return mine[0].partition("] ")[2]
    return str(messages[0]) if messages and not any(str(m).startswith("[") for m in messages) else None
