"""The external CRM (`/api/external`): by webhook, by polling, by push."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Body, Request
from starlette.concurrency import run_in_threadpool

from pipelines.service import audit, external
from pipelines.service.auth import CurrentContext, address_of, context_of, same_key
from pipelines.service.background import background_of
from pipelines.service.context import Context
from pipelines.service.errors import ServiceError
from pipelines.service.external_calls import post_record
from pipelines.service.routing import router as make_router
from pipelines.service.schedules import get_schedule, set_schedule
from pipelines.service.syncing import sync
from pipelines.service.webhooks.arrivals import arrivals_of
from pipelines.service.webhooks.inbox import InboxFull, Stored

PREFIX = "/api/external"
router = make_router(PREFIX, tag="external CRM")
logger = logging.getLogger("crosswalk.service")
WHO = "external-crm"


def guard(request: Request) -> None:
    """Lets in who bears the key, from an address that may call, as often as it may."""
    context = context_of(request)
    settings, address = context.settings, address_of(request)
    if settings.rate_limit_enabled:
        context.limits.check(f"external:{address}", settings.rate_limit_per_minute, 60, "Too many requests")
    if settings.allowed_ips and not _is_listed(address, settings.allowed_ips):
        raise _refused(request, 403, "Address not allowed")
    if settings.api_auth_enabled:
        if not settings.crm_api_keys:
            raise _refused(request, 503, "Authentication is not configured: CRM_API_KEY is not set")
        if not same_key(request.headers.get("x-api-key", ""), settings.crm_api_keys):
            raise _refused(request, 401, "Unauthorized - Invalid API key")
    is_status = request.url.path.rstrip("/") == f"{PREFIX}/status"
    if not settings.external_crm_enabled and not is_status:
        raise ServiceError(503, "External CRM integration is disabled")


GUARDS = {PREFIX: guard}


@asynccontextmanager
async def lifespan(context: Context) -> AsyncIterator[None]:
    """Polling begins by itself where the mode says so; who stopped it is not overruled by a restart."""
    settings = context.settings
    if (
        settings.external_crm_enabled
        and settings.external_crm_sync_mode == "polling"
        and external.is_configured(context)
    ):
        await run_in_threadpool(_begin_polling, context)
    yield


@router.post("/webhook")
async def webhook(
    payload: Annotated[dict[str, Any], Body()], request: Request, context: CurrentContext
) -> dict[str, Any]:
    """A record of the external CRM; it is on disk before it is answered."""
    _check_secret(context, payload, request)
    user_id = external.user_id(payload)
    if user_id is None:
        raise ServiceError(400, "Missing required field: phone or whatsapp_id")
    if len(user_id) > external.LONGEST_ID or "\x00" in str(payload):
        raise ServiceError(400, "Invalid phone or whatsapp_id")
    connection = await run_in_threadpool(external.connection, context, external.NAME)
    wanted = await run_in_threadpool(external.is_wanted, context, connection, payload)
    known = await run_in_threadpool(external.is_known, context, connection, user_id)
    try:
        stored = await background_of(context).inbox.store_async(arrivals_of(connection, payload))
    except (InboxFull, TimeoutError):
        raise ServiceError(503, "Too many webhooks wait; try again", headers={"Retry-After": "5"}) from None
    action = _action(stored, wanted=wanted, known=known)
    return {"success": True, "userId": user_id, "action": action}


@router.get("/fetch")
def fetch(context: CurrentContext) -> dict[str, Any]:
    """Polls now."""
    name = external.polled(context)
    external.connection(context, name)
    done = sync(context, external.owner_of(context), [name])
    failure = done.failures.get(name) or done.failures.get("")
    if failure is not None and not done.has_read(name):
        raise ServiceError(502, failure.message, details=failure.details)
    ids = external.records_of(context, name)
    _note(context, "external.fetch", records=len(ids))
    return {"success": True, "syncedRecords": len(ids), "userIds": ids}


@router.post("/push/{record_id}")
def push(record_id: str, context: CurrentContext) -> dict[str, Any]:
    """Sends a record to the external CRM, in its own field names."""
    connection = external.connection(context, external.polled(context))
    body = external.record(context, connection, record_id)
    if body is None:
        raise ServiceError(404, "User not found")
    post_record(context, connection, body)
    _note(context, "external.push", ids=[record_id])
    return {"success": True, "userId": record_id, "message": "User pushed to external CRM successfully"}


@router.post("/polling/start")
def start_polling(context: CurrentContext) -> dict[str, Any]:
    """Polls from now on, every EXTERNAL_CRM_SYNC_INTERVAL minutes."""
    external.connection(context, external.polled(context))
    _set_polling(context, enabled=True)
    _note(context, "external.polling", polling="active")
    return {"success": True, "polling": "active"}


@router.post("/polling/stop")
def stop_polling(context: CurrentContext) -> dict[str, Any]:
    """Polls no more, until it is started."""
    _set_polling(context, enabled=False)
    _note(context, "external.polling", polling="inactive")
    return {"success": True, "polling": "inactive"}


@router.get("/status")
def status(context: CurrentContext) -> dict[str, Any]:
    """How it is set."""
    planned = get_schedule(context, external.owner_of(context).name, external.polled(context))
    return {
        "enabled": context.settings.external_crm_enabled,
        "mode": context.settings.external_crm_sync_mode,
        "polling": "active" if planned is not None and planned.enabled else "inactive",
        "configured": external.is_configured(context),
    }


def _check_secret(context: Context, payload: dict[str, Any], request: Request) -> None:
    secret = context.settings.external_crm_webhook_secret
    if secret is None:
        raise _refused(request, 503, "Webhooks are not configured: EXTERNAL_CRM_WEBHOOK_SECRET is not set")
    given = payload.get("secret")
    if not isinstance(given, str) or not same_key(given, [secret.get_secret_value()]):
        raise _refused(request, 401, "Unauthorized - Invalid webhook secret")


def _action(stored: list[Stored], *, wanted: bool, known: bool) -> str:
    is_taken = any(one.outcome == "new" for one in stored)
    if not is_taken or not wanted:
        return "skipped"
    return "updated" if known or any(one.is_known for one in stored) else "created"


def _refused(request: Request, status_code: int, message: str) -> ServiceError:
    """Every refused call is logged."""
    logger.warning(
        "external CRM: refused %s %s from %s: %s", request.method, request.url.path, address_of(request), message
    )
    return ServiceError(status_code, message)


def _is_listed(address: str, allowed: tuple[str, ...]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address in allowed
    for one in allowed:
        try:
            if found in ipaddress.ip_network(one, strict=False):
                return True
        except ValueError:
            continue
    return False


def _set_polling(context: Context, *, enabled: bool) -> None:
    owner, interval = external.owner_of(context).name, context.settings.external_crm_sync_interval
    set_schedule(context, owner, external.polled(context), interval_minutes=interval, enabled=enabled)


def _begin_polling(context: Context) -> None:
    if get_schedule(context, external.owner_of(context).name, external.polled(context)) is None:
        _set_polling(context, enabled=True)


def _note(context: Context, what: str, **records: Any) -> None:
    audit.note(
        context, external.owner_of(context).name, WHO, what, connection=external.polled(context), records=records
    )
