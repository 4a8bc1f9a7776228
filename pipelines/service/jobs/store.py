"""Jobs as they lie in the store: submitted once, claimed by one, closed with what really happened."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from pipelines.state.database import State, now_us
from pipelines.state.service_tables import jobs

QUEUED, RUNNING, DONE, FAILED = "queued", "running", "done", "failed"
CANCELLED, INTERRUPTED = "cancelled", "interrupted"
ENDED = frozenset({DONE, FAILED, CANCELLED, INTERRUPTED})
CANCELLING = "cancelling"


@dataclass(frozen=True)
class Job:
    """One piece of work. Moments are us since 1970.

    Attributes:
        connections: what it is about, by name; empty where it is about none.
        result: what a job that ended has to say; a sync's is the run's own report.
        next_at: a queued job is not started before.
    """

    job_id: str
    owner: str
    kind: str
    connections: tuple[str, ...]
    status: str
    params: dict[str, Any]
    progress: dict[str, Any] | None
    result: dict[str, Any] | None
    error: str | None
    created_at: int
    started_at: int | None
    finished_at: int | None
    pid: int | None
    attempts: int
    next_at: int | None

    @property
    def has_ended(self) -> bool:
        """Nothing more will come of it."""
        return self.status in ENDED

    @property
    def is_scheduled(self) -> bool:
        """A schedule asked for it, so that a failure is tried again."""
        return bool(self.params.get("scheduled"))


def new_job_id() -> str:
    """An id that sorts by time, such as 20261120T064713.123456-9f3a61."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{secrets.token_hex(4)}"


def add(
    connection: sa.Connection, owner: str, kind: str, connections: Sequence[str], params: dict[str, Any] | None = None,
    *, next_at: int | None = None,
) -> str:  # fmt: skip
    """Submits a job within a transaction of the caller; one that waits and asks for the same is given back instead."""
    c = jobs.c
    named = ",".join(connections) or None
    said = json.dumps(params or {}, sort_keys=True)
    same = sa.select(c.job_id).where(
        c.owner == owner, c.kind == kind, c.connection.is_not_distinct_from(named), c.params == said,
        c.status == QUEUED, c.attempts == 0,
    )  # fmt: skip
    known = connection.execute(same.order_by(c.created_at).limit(1)).scalar()
    if known is not None:
        return str(known)
    job_id = new_job_id()
    connection.execute(
        sa.insert(jobs).values(
            job_id=job_id, owner=owner, kind=kind, connection=named, status=QUEUED, params=said,
            created_at=now_us(), next_at=next_at, attempts=0,
        )
    )  # fmt: skip
    return job_id


def get(store: State, job_id: str, owner: str | None = None) -> Job | None:
    """A job by its id; with `owner` only if it is theirs."""
    query = sa.select(jobs).where(jobs.c.job_id == job_id)
    if owner is not None:
        query = query.where(jobs.c.owner == owner)
    with store.read() as connection:
        row = connection.execute(query).mappings().first()
    return None if row is None else _job(row)


def listed(
    store: State, owner: str | None = None, *, status: Sequence[str] = (), connection_name: str | None = None,
    kind: str | None = None, before: str | None = None, limit: int = 50,
) -> list[Job]:  # fmt: skip
    """Jobs, the newest first. `before`: only those with a smaller id, for the next page."""
    c = jobs.c
    query = sa.select(jobs).order_by(c.job_id.desc()).limit(limit)
    if owner is not None:
        query = query.where(c.owner == owner)
    if status:
        query = query.where(c.status.in_(list(status)))
    if connection_name is not None:
        query = query.where(c.connection == connection_name)
    if kind is not None:
        query = query.where(c.kind == kind)
    if before is not None:
        query = query.where(c.job_id < before)
    with store.read() as connection:
        return [_job(row) for row in connection.execute(query).mappings()]


def due(store: State) -> list[Job]:
    """Jobs that may start now, the oldest first."""
    c = jobs.c
    is_due = sa.or_(c.next_at.is_(None), c.next_at <= now_us())
    query = sa.select(jobs).where(c.status == QUEUED, is_due).order_by(c.created_at, c.job_id)
    with store.read() as connection:
        return [_job(row) for row in connection.execute(query).mappings()]


def claim(store: State, job_id: str) -> bool:
    """Takes a queued job; False where somebody else has, or it was cancelled."""
    c = jobs.c
    now = now_us()
    taken = sa.update(jobs).where(c.job_id == job_id, c.status == QUEUED)
    with store.write() as connection:
        done = connection.execute(
            taken.values(
                status=RUNNING, started_at=now, heartbeat_at=now, next_at=None, pid=None, progress=None, error=None,
                attempts=c.attempts + 1,
            )
        )  # fmt: skip
        return bool(done.rowcount)


def note(store: State, job_id: str, **values: Any) -> None:
    """Notes what is known of a running job: pid, progress (any JSON value); its heart has beaten now."""
    if "progress" in values:
        values["progress"] = json.dumps(values["progress"])
    with store.write() as connection:
        mine = sa.update(jobs).where(jobs.c.job_id == job_id, jobs.c.status == RUNNING)
        connection.execute(mine.values(heartbeat_at=now_us(), **values))


def close(
    store: State, job_id: str, status: str, *, result: dict[str, Any] | None = None, error: str | None = None
) -> None:
    """The job has ended so."""
    with store.write() as connection:
        connection.execute(
            sa.update(jobs).where(jobs.c.job_id == job_id).values(
                status=status, result=None if result is None else json.dumps(result, default=str), error=error,
                finished_at=now_us(), pid=None, next_at=None,
            )
        )  # fmt: skip


def again(store: State, job_id: str, at: int, *, result: dict[str, Any] | None, error: str | None) -> None:
    """The job failed and is tried again at that moment."""
    with store.write() as connection:
        connection.execute(
            sa.update(jobs).where(jobs.c.job_id == job_id).values(
                status=QUEUED, next_at=at, pid=None, error=error,
                result=None if result is None else json.dumps(result, default=str),
            )
        )  # fmt: skip


def cancel_waiting(store: State, job_id: str) -> bool:
    """Cancels a job that has not started."""
    with store.write() as connection:
        mine = sa.update(jobs).where(jobs.c.job_id == job_id, jobs.c.status == QUEUED)
        return bool(connection.execute(mine.values(status=CANCELLED, finished_at=now_us(), next_at=None)).rowcount)


def ask_to_end(store: State, job_id: str) -> bool:
    """Notes that a running job is to end, so that a restart knows it, too."""
    with store.write() as connection:
        mine = sa.update(jobs).where(jobs.c.job_id == job_id, jobs.c.status == RUNNING)
        return bool(connection.execute(mine.values(error=CANCELLING)).rowcount)


def forget_params(store: State, job_id: str) -> None:
    """What the job was told named a person."""
    with store.write() as connection:
        connection.execute(sa.update(jobs).where(jobs.c.job_id == job_id).values(params="{}"))


def counts(store: State) -> dict[str, int]:
    """How many jobs wait and run."""
    query = (
        sa.select(jobs.c.status, sa.func.count()).where(jobs.c.status.in_([QUEUED, RUNNING])).group_by(jobs.c.status)
    )
    with store.read() as connection:
        found = {str(status): int(number) for status, number in connection.execute(query)}
    return {status: found.get(status, 0) for status in (QUEUED, RUNNING)}


def _job(row: Any) -> Job:
    names = tuple(row["connection"].split(",")) if row["connection"] else ()
    return Job(
        row["job_id"], row["owner"], row["kind"], names,
        row["status"], json.loads(row["params"]), _json(row["progress"]), _json(row["result"]), row["error"],
        row["created_at"], row["started_at"], row["finished_at"], row["pid"], row["attempts"], row["next_at"],
    )  # fmt: skip


def _json(text: str | None) -> dict[str, Any] | None:
    return None if text is None else dict(json.loads(text))
