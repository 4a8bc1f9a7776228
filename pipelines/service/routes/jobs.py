"""`/api/jobs`: what runs, ran, and waits for the caller; each job with its progress, and a way to end it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Query, Request
from pydantic import BaseModel, Field

from pipelines.service import audit, jobs
from pipelines.service.auth import Caller, CurrentCaller, CurrentContext, jwt_guard
from pipelines.service.context import Context
from pipelines.service.errors import ServiceError
from pipelines.service.jobs.store import Job
from pipelines.service.routing import router as make_router

router = make_router("/api/jobs", tag="jobs")
GUARDS = {"/api/jobs": jwt_guard}
NOT_THERE: dict[int | str, dict[str, Any]] = {
    401: {"description": "Not authenticated"},
    404: {"description": "There is no such job"},
    409: {"description": "The job has ended already"},
}
NAME, JOB_ID = r"^[a-z][a-z0-9_]{0,63}$", r"^[0-9A-Za-z.-]{1,60}$"
Status = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]


class JobAnswer(BaseModel):
    """One job. Moments are in UTC; `result` is the run's own report."""

    job_id: str
    kind: str
    connections: list[str]
    status: Status
    progress: dict[str, Any] | None
    result: dict[str, Any] | None
    error: str | None
    attempts: int = Field(description="How often it was started")
    created_at: str
    started_at: str | None
    finished_at: str | None
    next_at: str | None = Field(description="When it is tried, where it waits for that")


class JobsAnswer(BaseModel):
    """Jobs, the newest first. `cursor`: give it as `before` for the next page."""

    success: Literal[True] = True
    jobs: list[JobAnswer]
    cursor: str | None


class OneJobAnswer(BaseModel):
    """One job."""

    success: Literal[True] = True
    job: JobAnswer


class SyncWanted(BaseModel):
    """What is to be synced; without `push` as the connections' settings say."""

    model_config = {"extra": "forbid"}

    connections: list[Annotated[str, Field(pattern=NAME)]] = Field(min_length=1, max_length=50)
    push: Literal["plan", "apply", "off"] | None = None
    full_refresh: bool = False


@router.get("", responses=NOT_THERE)
def list_jobs(
    caller: CurrentCaller,
    context: CurrentContext,
    status: Annotated[list[Status] | None, Query()] = None,
    connection: Annotated[str | None, Query(pattern=NAME)] = None,
    before: Annotated[str | None, Query(pattern=JOB_ID)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> JobsAnswer:
    """The caller's jobs, the newest first."""
    found = jobs.listed(
        context, caller.owner.name, status=status or (), connection_name=connection, before=before, limit=limit
    )
    cursor = found[-1].job_id if len(found) == limit else None
    return JobsAnswer(jobs=[_answer(job) for job in found], cursor=cursor)


@router.post("", status_code=202, responses=NOT_THERE)
def start_sync(wanted: SyncWanted, caller: CurrentCaller, context: CurrentContext, request: Request) -> OneJobAnswer:
    """Syncs connections of the caller in the background; 202 at once."""
    audit.note_call(context, caller, request, "job.start", ",".join(wanted.connections))
    params = wanted.model_dump(exclude={"connections"}, exclude_none=True, exclude_defaults=True)
    job_id = jobs.submit(context, caller.owner.name, jobs.SYNC, list(dict.fromkeys(wanted.connections)), params)
    return OneJobAnswer(job=_answer(_found(_mine(context, caller, job_id))))


@router.get("/{job_id}", responses=NOT_THERE)
def get_job(job_id: str, caller: CurrentCaller, context: CurrentContext) -> OneJobAnswer:
    """One of the caller's jobs."""
    return OneJobAnswer(job=_answer(_found(_mine(context, caller, job_id))))


@router.post("/{job_id}/cancel", responses=NOT_THERE)
def cancel_job(job_id: str, caller: CurrentCaller, context: CurrentContext, request: Request) -> OneJobAnswer:
    """Ends one of the caller's jobs; one that runs is asked first, and is `cancelled` in moments."""
    job = _found(_mine(context, caller, job_id))
    if not jobs.cancel(context, job.job_id, caller.owner.name):
        raise ServiceError(409, "The job has ended already")
    audit.note_call(context, caller, request, "job.cancel", job=job.job_id)
    return OneJobAnswer(job=_answer(_found(_mine(context, caller, job_id))))


def _mine(context: Context, caller: Caller, job_id: str) -> Job | None:
    return jobs.get(context, job_id, caller.owner.name) if re.fullmatch(JOB_ID, job_id) else None


def _found(job: Job | None) -> Job:
    if job is None:
        raise ServiceError(404, "There is no such job")
    return job


def _answer(job: Job) -> JobAnswer:
    moments = {name: moment_text(getattr(job, name)) for name in ("started_at", "finished_at", "next_at")}
    return JobAnswer(
        job_id=job.job_id, kind=job.kind, connections=list(job.connections), status=job.status,  # type: ignore[arg-type]
        progress=job.progress, result=job.result, error=job.error, attempts=job.attempts,
        created_at=moment_text(job.created_at) or "", **moments,
    )  # fmt: skip


def moment_text(moment: int | None) -> str | None:
    """A moment of the store (us since 1970) as answers write it."""
    if moment is None:
        return None
    return datetime.fromtimestamp(moment / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
