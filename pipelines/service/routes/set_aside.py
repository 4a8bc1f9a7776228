"""`/api/set-aside`: webhooks of the caller that nobody could make anything of, why, and a way to try them again."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, Field

from pipelines.service import audit
from pipelines.service.auth import CurrentCaller, CurrentContext, jwt_guard
from pipelines.service.routes.jobs import NAME, moment_text
from pipelines.service.routing import router as make_router
from pipelines.state import set_aside

router = make_router("/api/set-aside", tag="webhooks")
GUARDS = {"/api/set-aside": jwt_guard}
ANSWERS: dict[int | str, dict[str, Any]] = {401: {"description": "Not authenticated"}}


class EventAnswer(BaseModel):
    """One event. Moments are in UTC."""

    id: int
    connection: str
    reason: str | None
    received_at: str
    tried_at: str | None


class EventsAnswer(BaseModel):
    """Events, the newest first. `cursor`: give it as `before` for the next page."""

    success: Literal[True] = True
    events: list[EventAnswer]
    cursor: int | None


class Which(BaseModel):
    """Which events; without a connection all of the caller."""

    model_config = ConfigDict(extra="forbid")

    connection: str | None = Field(None, pattern=NAME)


class QueuedAnswer(BaseModel):
    """How many events will be tried again now."""

    success: Literal[True] = True
    queued: int


@router.get("", responses=ANSWERS)
def events(
    caller: CurrentCaller,
    context: CurrentContext,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
) -> EventsAnswer:
    """The caller's webhooks that are set aside."""
    found = set_aside.listed(context.store, caller.owner.name, before=before, limit=limit)
    listed = [
        EventAnswer(
            id=row["inbox_id"], connection=row["connection"], reason=row["reason"],
            received_at=moment_text(row["received_at"]) or "", tried_at=moment_text(row["done_at"]),
        )
        for row in found
    ]  # fmt: skip
    return EventsAnswer(events=listed, cursor=listed[-1].id if len(listed) == limit else None)


@router.post("/retry", responses=ANSWERS)
def retry(request: Request, caller: CurrentCaller, context: CurrentContext, which: Which | None = None) -> QueuedAnswer:
    """Tries them again now; what still cannot be mapped is set aside again."""
    name = which.connection if which else None
    queued = set_aside.try_again(context.store, caller.owner.name, name)
    if context.background is not None:
        context.background.take_in()
    audit.note_call(context, caller, request, "webhooks.retry", name, events=queued)
    return QueuedAnswer(queued=queued)
