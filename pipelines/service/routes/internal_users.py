"""`POST /api/internal/sync/users`: the wrapper pushes users of many tenants, with a shared key."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool

from pipelines.connections.owner import SERVICE_OWNER
from pipelines.service import jobs
from pipelines.service.auth import CurrentContext, address_of, context_of, same_key
from pipelines.service.context import Context
from pipelines.service.errors import ServiceError
from pipelines.service.routing import json_answer
from pipelines.service.routing import router as make_router
from pipelines.service.settings import MEGABYTE, ServiceSettings
from pipelines.service.users import documented, internal_entries, later
from pipelines.service.users.entries import may_have_nul
from pipelines.service.users.internal import carry_out
from pipelines.service.users.log import Call

PREFIX = "/api/internal/sync"
PATH = f"{PREFIX}/users"
WINDOW_SECONDS = 15 * 60
router = make_router(tag="user sync")


def body_limits(settings: ServiceSettings) -> dict[str, int]:
    """Bytes of a request."""
    return {PATH: int(settings.user_sync_max_body_mb * MEGABYTE)}


def guard(request: Request) -> None:
    """Lets a caller in who has the shared key, within the limit of their address.

    Raises:
        ServiceError: 503, 429 or 401.
    """
    context = context_of(request)
    call = Call("user_sync", request.headers.get("x-sync-source") or "unknown", request.headers.get("x-tenant-id"))
    request.state.sync_call = call
    try:
        _check(request, context)
    except ServiceError as refused:
        if request.url.path == PATH:
            call.refused(context.store, refused.status_code, refused.message)
        raise


GUARDS = {PREFIX: guard}


def _check(request: Request, context: Context) -> None:
    key = context.settings.internal_api_key
    if key is None:
        raise ServiceError(503, "User sync is not configured: INTERNAL_API_KEY is not set")
    if request.url.path == PATH:
        context.limits.check(
            f"internal:{address_of(request)}", context.settings.internal_rate_limit, WINDOW_SECONDS,
            "Too many sync requests, please try again later",
        )  # fmt: skip
    if not same_key(request.headers.get("x-internal-api-key", ""), [key.get_secret_value()]):
        raise ServiceError(401, "Unauthorized - Invalid API key")


@router.post(PATH, **documented.INTERNAL)
async def sync_users(request: Request) -> Response:
    """Create and update a tenant's users; none is deactivated but by its own entry."""
    context, call = context_of(request), request.state.sync_call
    is_async = "respond-async" in request.headers.get("prefer", "").lower()
    try:
        body = await request.body()
        return await run_in_threadpool(_answer, context, call, body, is_async=is_async)
    except ServiceError as refused:
        await run_in_threadpool(call.refused, context.store, refused.status_code, refused.message)
        raise
    except Exception:
        await run_in_threadpool(call.refused, context.store, 500, "internal error")
        raise


def _answer(context: Context, call: Call, content: bytes, *, is_async: bool) -> Response:
    body = _checked(content, call)
    if not is_async:
        answer = carry_out(context, call, body)
        later.tell(context, body, answer)
        return json_answer(answer)
    job_id = later.submit(context, call, body)
    call.accepted(context.store, len(body["users"]), job_id)
    location = f"{PREFIX}/jobs/{job_id}"
    return json_answer(
        {"success": True, "jobId": job_id, "status": "queued"},
        202,
        {"Location": location, "Preference-Applied": "respond-async"},
    )


def _checked(content: bytes, call: Call) -> dict[str, Any]:
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise _invalid([{"field": "body", "message": "must be JSON"}]) from None
    if wrong := internal_entries.problems(body, may_have_nul=may_have_nul(content)):
        raise _invalid(wrong)
    found: dict[str, Any] = body
    tenant, claimed = found["tenant"]["id"], call.tenant
    call.operation, call.tenant = found["operation"], tenant
    if claimed is not None and claimed != tenant:
        raise _invalid([{"field": "X-Tenant-ID", "message": "must equal tenant.id"}])
    return found


def _invalid(details: list[dict[str, str]]) -> ServiceError:
    return ServiceError(400, "Invalid request format", details=details)


@router.get(PREFIX + "/jobs/{job_id}", **documented.JOB)
def look_up_job(job_id: str, context: CurrentContext) -> Response:
    """How far a sync is that was answered with 202; once it is done, with its outcome."""
    job = jobs.get(context, job_id, SERVICE_OWNER)
    if job is None or job.kind != later.SYNC:
        raise ServiceError(404, "There is no such job")
    found = {"success": True, "jobId": job.job_id, "status": job.status}
    more = {"result": job.result, "error": job.error}
    return json_answer(found | {key: value for key, value in more.items() if value is not None})
