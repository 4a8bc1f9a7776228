"""`POST /api/admin/users/sync`: an identity system pushes its users, with a signed token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jwt
import orjson
from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool

from pipelines.service.auth import bearer_of, context_of
from pipelines.service.context import Context
from pipelines.service.errors import ServiceError, timestamp
from pipelines.service.routing import json_answer
from pipelines.service.routing import router as make_router
from pipelines.service.settings import MEGABYTE, ServiceSettings
from pipelines.service.users import documented
from pipelines.service.users.admin_entries import entry_of
from pipelines.service.users.entries import Result, may_have_nul
from pipelines.service.users.flowing import flow_on
from pipelines.service.users.log import Call
from pipelines.service.users.sync import Outcome, Tenant, sync

PATH = "/api/admin/users/sync"
MODES = ("upsert", "full-reconcile")
router = make_router(tag="user sync")


def body_limits(settings: ServiceSettings) -> dict[str, int]:
    """Bytes of a request."""
    return {PATH: int(settings.user_sync_max_body_mb * MEGABYTE)}


def guard(request: Request) -> None:
    """Lets a caller in who proves to speak for an organisation, and notes which.

    Raises:
        ServiceError: 503, 401 or 403.
    """
    context = context_of(request)
    call = request.state.sync_call = Call("user_sync", "wrapper")
    try:
        call.tenant = organisation_of(bearer_of(request), context.settings)
    except ServiceError as refused:
        call.refused(context.store, refused.status_code, _said(refused))
        raise


GUARDS = {PATH: guard}


def organisation_of(token: str | None, settings: ServiceSettings) -> str:
    """The organisation that a token speaks for.

    Raises:
        ServiceError: 503 where no key is configured; 401 without a token; 403 where it is not good.
    """
    if settings.wrapper_secret_key is None:
        raise ServiceError(503, "User sync is not configured: WRAPPER_SECRET_KEY is not set")
    if token is None:
        raise ServiceError(401, "No authorization token provided", headers={"WWW-Authenticate": "Bearer"})
    key, needed = settings.wrapper_secret_key.get_secret_value(), [] if settings.wrapper_allow_no_exp else ["exp"]
    try:
        claims = jwt.decode(
            token, key, algorithms=[settings.wrapper_algorithm],
            options={"require": needed, "verify_aud": False, "verify_sub": False, "verify_jti": False},
        )  # fmt: skip
    except jwt.PyJWTError:
        raise _forbidden() from None
    named, configured = claims.get("orgCode"), settings.wrapper_org_code
    if named is not None and (not isinstance(named, str) or not named.strip() or "\x00" in named):
        raise _forbidden("orgCode is no text")
    if named and configured and named != configured:
        raise _forbidden("orgCode is not the organization of this service")
    if not (named or configured):
        raise _forbidden("the token names no orgCode")
    return str(named or configured)


def _forbidden(details: str | None = None) -> ServiceError:
    return ServiceError(403, "Invalid or expired token", details=details)


def _said(error: ServiceError) -> str:
    return error.message if error.details is None else f"{error.message}: {error.details}"


@router.post(PATH, **documented.ADMIN)
async def sync_users(request: Request) -> Response:
    """Create and update users; with `full-reconcile` those who are not named become inactive."""
    context, call = context_of(request), request.state.sync_call
    try:
        body = await request.body()
        return await run_in_threadpool(_answer, context, call, body)
    except ServiceError as refused:
        await run_in_threadpool(call.refused, context.store, refused.status_code, _said(refused))
        raise
    except Exception:
        await run_in_threadpool(call.refused, context.store, 500, "internal error")
        raise


def _answer(context: Context, call: Call, body: bytes) -> Response:
    mode, members = _checked(body)
    organisation = call.tenant or ""
    nul = may_have_nul(body)
    entries = [entry_of(user, organisation, may_have_nul=nul) for user in members]
    outcome = sync(context.store, Tenant(organisation), entries, "admin", reconcile=mode == "full-reconcile")
    call.done(context.store, outcome, mode=mode)
    documented.count(context.metrics, outcome)
    flow_on(context, organisation, outcome)
    return json_answer({"success": True, "message": "Sync completed successfully", "data": _data(mode, outcome)})


def _checked(body: bytes) -> tuple[str, Sequence[Any]]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise ServiceError(400, "Invalid users array provided", details="the body is no JSON") from None
    given = parsed if isinstance(parsed, dict) else {}
    members, mode = given.get("users"), given.get("mode", MODES[0])
    if not isinstance(members, list) or not members:
        raise ServiceError(400, "Invalid users array provided")
    if mode not in MODES:
        raise ServiceError(400, f"Invalid mode: expected {' or '.join(MODES)}")
    return mode, members


def _data(mode: str, outcome: Outcome) -> dict[str, Any]:
    errors = [
        f"{result.entry.email or result.entry.external_id or 'unknown'}: {result.error}"
        for result in outcome.results
        if result.error is not None
    ]
    summary: dict[str, Any] = {"total": len(outcome.results)}
    summary |= {status: outcome.count(status) for status in ("created", "updated", "failed")}
    if mode == "full-reconcile":
        summary["deactivated"] = len(outcome.deactivated)
    return {
        "mode": mode,
        "summary": {**summary, "errors": errors},
        "results": [_result(result) for result in outcome.results],
        "timestamp": timestamp(),
    }


def _result(result: Result) -> dict[str, Any]:
    found = {"userId": result.entry.external_id, "email": result.entry.email, "status": result.status}
    if result.error is not None:
        return {**found, "error": result.error}
    return {**found, "crmUserId": result.crm_user_id}
