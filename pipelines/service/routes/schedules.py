"""`/api/schedules`: when the caller's connections are synced by themselves."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Path, Request
from pydantic import BaseModel, Field

from pipelines.service import audit, schedules
from pipelines.service.auth import CurrentCaller, CurrentContext, jwt_guard
from pipelines.service.errors import ServiceError
from pipelines.service.routes.jobs import moment_text
from pipelines.service.routing import router as make_router
from pipelines.service.schedules import BadSchedule, Schedule

router = make_router("/api/schedules", tag="schedules")
GUARDS = {"/api/schedules": jwt_guard}
Name = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,63}$", description="A connection")]
ANSWERS: dict[int | str, dict[str, Any]] = {
    400: {"description": "No schedule can be made of it"},
    401: {"description": "Not authenticated"},
    404: {"description": "The connection has no schedule"},
}


class ScheduleWanted(BaseModel):
    """Either a cron line or an interval."""

    model_config = {"extra": "forbid"}

    cron: str | None = Field(None, max_length=200, description="Five fields: minute, hour, day, month, weekday")
    interval_minutes: int | None = Field(None, ge=1, le=525_600)
    jitter_seconds: int = Field(0, ge=0, le=86_400, description="Up to so many seconds later, differently each time")
    enabled: bool = True


class ScheduleAnswer(BaseModel):
    """When one connection is synced. Moments are in UTC."""

    connection: str
    cron: str | None
    interval_minutes: int | None
    jitter_seconds: int
    enabled: bool
    next_at: str | None
    last_at: str | None


class OneScheduleAnswer(BaseModel):
    """One schedule."""

    success: Literal[True] = True
    schedule: ScheduleAnswer


class SchedulesAnswer(BaseModel):
    """Schedules by connection."""

    success: Literal[True] = True
    schedules: list[ScheduleAnswer]


class RemovedAnswer(BaseModel):
    """It is gone."""

    success: Literal[True] = True


@router.get("", responses={401: ANSWERS[401]})
def list_schedules(caller: CurrentCaller, context: CurrentContext) -> SchedulesAnswer:
    """The caller's schedules."""
    found = schedules.list_schedules(context, caller.owner.name)
    return SchedulesAnswer(schedules=[_answer(one) for one in found])


@router.get("/{connection}", responses=ANSWERS)
def get_schedule(connection: Name, caller: CurrentCaller, context: CurrentContext) -> OneScheduleAnswer:
    """When a connection of the caller is synced."""
    found = schedules.get_schedule(context, caller.owner.name, connection)
    if found is None:
        raise ServiceError(404, f"{connection} has no schedule")
    return OneScheduleAnswer(schedule=_answer(found))


@router.put("/{connection}", responses=ANSWERS)
def put_schedule(
    connection: Name, wanted: ScheduleWanted, caller: CurrentCaller, context: CurrentContext, request: Request
) -> OneScheduleAnswer:
    """Sets when a connection of the caller is synced."""
    try:
        made = schedules.set_schedule(context, caller.owner.name, connection, **wanted.model_dump())
    except BadSchedule as problem:
        raise ServiceError(400, str(problem)) from None
    audit.note_call(context, caller, request, "schedule.set", connection, **wanted.model_dump(exclude_none=True))
    return OneScheduleAnswer(schedule=_answer(made))


@router.delete("/{connection}", responses=ANSWERS)
def delete_schedule(
    connection: Name, caller: CurrentCaller, context: CurrentContext, request: Request
) -> RemovedAnswer:
    """A connection of the caller is no longer synced by itself."""
    if not schedules.remove_schedule(context, caller.owner.name, connection):
        raise ServiceError(404, f"{connection} has no schedule")
    audit.note_call(context, caller, request, "schedule.remove", connection)
    return RemovedAnswer()


def _answer(one: Schedule) -> ScheduleAnswer:
    return ScheduleAnswer(
        connection=one.connection, cron=one.cron, interval_minutes=one.interval_minutes,
        jitter_seconds=one.jitter_seconds, enabled=one.enabled,
        next_at=moment_text(one.next_at), last_at=moment_text(one.last_at),
    )  # fmt: skip
