"""The CRMs' own webhooks: `POST /api/webhooks/{connection}`, for the default owner, or `.../{owner}/{connection}`.

The mapping says how a delivery is proven and what it means. Whoever is not proven gets 401, whatever the reason; the
reason is in the log. What is proven is on disk before it is answered.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from pipelines.connections.connection import Connection
from pipelines.connections.errors import SettingsError
from pipelines.mapping.problems import MappingErrors
from pipelines.mapping.webhook import Webhook
from pipelines.service.auth import address_of, context_of
from pipelines.service.background import Background, background_of
from pipelines.service.context import Context
from pipelines.service.errors import ServiceError
from pipelines.service.routing import router as make_router
from pipelines.service.webhooks import accounts
from pipelines.service.webhooks.arrivals import arrivals_of
from pipelines.service.webhooks.inbox import InboxFull
from pipelines.service.webhooks.signatures import SCHEMES, BadSignature, Delivery, public_url, verify
from pipelines.service.webhooks.xml_body import NotReadable

router = make_router("/api/webhooks", tag="webhooks")
logger = logging.getLogger("crosswalk.service")
REFUSED_A_MINUTE = 60
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
MOST_BYTES = 1_048_576
_BODY = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {}}, "text/xml": {"schema": {}}}},
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    401: {"description": "The sender is not proven"},
    413: {"description": "The body is too long"},
    429: {"description": "Too many deliveries that were not proven"},
    503: {"description": "It could not be stored; try again"},
}


@asynccontextmanager
async def lifespan(context: Context) -> AsyncIterator[None]:
    """The workers behind webhooks, jobs and schedules run while the service does."""
    workers = Background(context)
    workers.start()
    try:
        yield
    finally:
        await run_in_threadpool(workers.stop)


@router.post("/{connection}", openapi_extra=_BODY, responses=_ANSWERS)
async def receive(connection: str, request: Request) -> Response:
    """A CRM tells of a change in a connection of the default owner."""
    return await _receive(None, connection, request)


@router.post("/{owner}/{connection}", openapi_extra=_BODY, responses=_ANSWERS)
async def receive_for(owner: str, connection: str, request: Request) -> Response:
    """A CRM tells of a change in an owner's connection."""
    return await _receive(owner, connection, request)


async def _receive(named: str | None, name: str, request: Request) -> Response:
    body = await request.body()
    context = context_of(request)  # a dependency would cost a trip to another thread
    owner = context.settings.default_owner if named is None else named
    workers = background_of(context)
    try:
        if not _NAME.fullmatch(name) or "\x00" in owner:
            raise BadSignature("there is no such connection")
        connection, webhook, secret = await _receiver(context, named, name)
        said = verify(webhook, secret, _delivery(request, body, context))
    except (BadSignature, NotReadable, SettingsError, MappingErrors) as problem:
        raise _refused(context, request, owner, name, problem) from None
    if named is None and webhook.account is not None:
        arrivals = await run_in_threadpool(accounts.routed, context, name, webhook, connection, said)
    else:
        assert connection is not None, "only one address for all may be nobody's own"
        arrivals = arrivals_of(connection, said)
    try:
        stored = await workers.inbox.store_async(arrivals)
    except (InboxFull, TimeoutError) as problem:
        raise ServiceError(503, "Not stored; try again", headers={"Retry-After": "5"}) from problem
    acknowledgement = SCHEMES[webhook.scheme].acknowledgement
    if acknowledgement is not None:
        kind, text = acknowledgement
        return Response(text, media_type=kind)
    outcomes = [one.outcome for one in stored]
    duplicates = outcomes.count("duplicate")
    return JSONResponse({"success": True, "stored": len(outcomes) - duplicates, "duplicates": duplicates})


async def _receiver(context: Context, named: str | None, name: str) -> tuple[Connection | None, Webhook, str | None]:
    """Whose connection receives, and what proves the sender; None: only an address that serves many accounts."""
    try:
        connection = await _connection(context, context.settings.default_owner if named is None else named, name)
    except SettingsError:
        app = accounts.of_the_app(context, name) if named is None else None
        if app is None:
            raise
        return None, *app
    if connection.mapping.webhook is None:
        raise BadSignature("the mapping has no webhook")
    return connection, connection.mapping.webhook, connection.webhook_secret


async def _connection(context: Context, owner: str, name: str) -> Connection:
    kept = context.connections.kept(owner, name)
    if isinstance(kept, Connection):
        return kept
    return await run_in_threadpool(context.connections, owner, name)


def _delivery(request: Request, body: bytes, context: Context) -> Delivery:
    scope = request.scope
    query = scope["query_string"].decode("latin-1")
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
    path_and_query = path + (f"?{query}" if query else "")
    seen = f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}{path_and_query}"
    url = public_url(path_and_query, context.settings.public_url, seen)
    return Delivery(request.method, url, dict(request.headers), body, time.time())


def _refused(context: Context, request: Request, owner: str, name: str, problem: Exception) -> ServiceError:
    address = address_of(request)
    said = context.redactor.text(problem).splitlines()[0] if str(problem) else type(problem).__name__
    logger.warning("webhook refused: owner %r, connection %r, from %s: %s", owner[:80], name[:80], address, said[:200])
    context.metrics.failures.labels("webhook_refused").inc()
    context.limits.check(f"webhooks-refused:{address}", REFUSED_A_MINUTE, 60, "Too many refused deliveries")
    return ServiceError(401, "Unauthorized")
