"""`POST /api/forget`: erases a person of the caller, in the background; the job tells when it is done."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Request, Response
from pydantic import BaseModel, Field

from pipelines.service import audit, jobs
from pipelines.service.auth import CurrentCaller, CurrentContext, jwt_guard
from pipelines.service.errors import ServiceError
from pipelines.service.jobs.kinds import FORGET
from pipelines.service.routing import router as make_router
from pipelines.state.erasing import find

router = make_router("/api/forget", tag="privacy")
GUARDS = {"/api/forget": jwt_guard}
ANSWERS: dict[int | str, dict[str, Any]] = {
    400: {"description": "No id"},
    401: {"description": "Not authenticated"},
    404: {"description": "The caller has nobody of that id"},
}


class Whom(BaseModel):
    """Who is to be forgotten."""

    model_config = {"extra": "forbid"}

    id: Annotated[str, Field(min_length=1, max_length=400, description="A golden id, or <source>:<id at the source>")]
    entity: Literal["contacts", "users"] = "contacts"


class ForgettingAnswer(BaseModel):
    """The job that does it: GET /api/jobs/{job_id} tells when it is done."""

    success: Literal[True] = True
    job_id: str


@router.post("", status_code=202, responses=ANSWERS)
def forget(
    whom: Whom, caller: CurrentCaller, context: CurrentContext, request: Request, response: Response
) -> ForgettingAnswer:
    """Erases a person: history, warehouse, ledger, published files, search. What the CRMs hold stays there."""
    if "\x00" in whom.id or find(context.state_of(caller.owner), whom.entity, whom.id) is None:
        raise ServiceError(404, f"There is nobody with this id among the {whom.entity}")
    audit.note_call(context, caller, request, "forget", entity=whom.entity)
    job_id = jobs.submit(context, caller.owner.name, FORGET, (), {"id": whom.id, "entity": whom.entity})
    response.headers["Location"] = f"/api/jobs/{job_id}"
    return ForgettingAnswer(job_id=job_id)
