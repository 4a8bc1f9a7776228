"""The unified CRM (`/api/crm/integrations`): one view over every connected CRM, and what is entered here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import orjson
from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import iterate_in_threadpool

from pipelines.service import audit
from pipelines.service.auth import CurrentCaller, CurrentContext, context_of, jwt_guard
from pipelines.service.connections import LOCAL, connected, known_source
from pipelines.service.context import Context
from pipelines.service.errors import ServiceError, timestamp
from pipelines.service.probing import log_in
from pipelines.service.routing import router as make_router
from pipelines.service.search.find import Hit
from pipelines.service.syncing import Synced, sync
from pipelines.service.unified import clearing, records, searching, statuses
from pipelines.service.unified.freshness import sync_if_stale
from pipelines.service.unified.source_settings import change_settings, settings_of, told
from pipelines.state import source_settings

PREFIX = "/api/crm/integrations"
router = make_router(PREFIX, tag="unified CRM")
CHUNK = 500
ENTITIES = ("contacts", "deals")
Source = Annotated[str | None, Query(max_length=128, description="A mapping's name, or local; default: all")]
Limit = Annotated[int | None, Query(ge=1, le=10_000, description="At most so many; then `nextCursor` leads on")]
Cursor = Annotated[str | None, Query(max_length=2_000, description="`nextCursor` of the page before")]


def guard(request: Request) -> None:
    """Lets a user in, as often in a minute as the contract says."""
    jwt_guard(request)
    context = context_of(request)
    limit = context.settings.unified_rate_limit_per_minute
    context.limits.check(f"unified:{request.state.caller.owner.name}", limit, 60, "Too many requests")


GUARDS = {PREFIX: guard}


@router.get("/cached-data")
def cached_data(caller: CurrentCaller, context: CurrentContext, source: Source = None) -> Response:
    """What was pulled, and what is entered here, by source."""
    names = [source] if source is not None and known_source(context, source) else statuses.shown(context, caller.owner)
    sync_if_stale(context, caller.owner, names)
    known = statuses.statuses(context, caller.owner, names)

    def parts() -> Iterator[str]:
        yield f'{{"success":true,"timestamp":"{timestamp()}","data":{{'
        for i, name in enumerate(names):
            yield f"{',' if i else ''}{_json(name)}:{{"
            for entity in ENTITIES:
                yield f'"{entity}":['
                yield from _listed(records.hits(context, caller.owner, entity, source=name))
                yield "],"
            state = known[name]
            yield f'"lastSync":{_json(statuses.moment(state.last_sync))},"syncStatus":"{state.status}"}}'
        yield "}}"

    return _streamed(parts())


@router.get("/contacts")
def contacts(
    caller: CurrentCaller, context: CurrentContext, source: Source = None, limit: Limit = None, cursor: Cursor = None
) -> Response:
    """Contacts of one source, or of all."""
    return _page(caller, context, "contacts", source, limit, cursor)


@router.get("/deals")
def deals(
    caller: CurrentCaller, context: CurrentContext, source: Source = None, limit: Limit = None, cursor: Cursor = None
) -> Response:
    """Deals of one source, or of all."""
    return _page(caller, context, "deals", source, limit, cursor)


@router.get("/search")
def search(
    caller: CurrentCaller,
    context: CurrentContext,
    q: Annotated[str, Query(max_length=500)] = "",
    type: Annotated[Literal["contact", "deal"], Query()] = "contact",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """Finds as one types: names, e-mail and postal addresses, telephone numbers in any punctuation, companies."""
    if len(q.strip()) < 2:
        raise ServiceError(400, "Query must be at least 2 characters")
    found = searching.find(context, caller.owner, q, f"{type}s", limit)
    results: dict[str, list[str]] = {name: [] for name in statuses.always_shown()}
    for hit in found:
        results.setdefault(hit.source, []).append(records.as_json(hit))
    listed = ",".join(f"{_json(name)}:[{','.join(rows)}]" for name, rows in results.items())
    head = f'{{"success":true,"query":{_json(q)},"type":"{type}","results":{{{listed}}},"total":{len(found)}}}'
    return Response(head, media_type="application/json")


@router.get("/sync-status")
def sync_status(caller: CurrentCaller, context: CurrentContext) -> dict[str, Any]:
    """How each source stands."""
    names = statuses.shown(context, caller.owner)
    counts = records.counts(context, caller.owner)
    known = statuses.statuses(context, caller.owner, names)
    found = {
        name: {
            "status": known[name].status,
            "lastSync": statuses.moment(known[name].last_sync),
            "contactCount": counts.get(name, {}).get("contacts", 0),
            "dealCount": counts.get(name, {}).get("deals", 0),
        }
        for name in names
    }
    return {"success": True, "timestamp": timestamp(), "status": found}


@router.post("/sync-all")
def sync_all(request: Request, caller: CurrentCaller, context: CurrentContext) -> dict[str, Any]:
    """Pulls and unifies every enabled source; never pushes."""
    said = source_settings.load(context.state_of(caller.owner))
    names = [n for n in connected(context, caller.owner) if said.get(n, source_settings.SourceSettings()).enabled]
    done = sync(context, caller.owner, names or [LOCAL])
    audit.note_call(context, caller, request, "sync-all", sources=names)
    results: dict[str, Any] = {name: _result(context, done, name) for name in names}
    message = "Sync initiated for all enabled CRM sources"
    return {"success": True, "message": message, "results": {**results, "synced_at": timestamp()}}


@router.post("/sync/{source}")
def sync_one(source: str, request: Request, caller: CurrentCaller, context: CurrentContext) -> dict[str, Any]:
    """Pulls and unifies one source; never pushes."""
    mapping = known_source(context, source)
    if source != LOCAL and source not in connected(context, caller.owner):
        raise ServiceError(400, f"{mapping.label} is not connected", details="Connect it, or set its credentials")
    done = sync(context, caller.owner, [source])
    audit.note_call(context, caller, request, "sync", source)
    failure = done.failures.get(source) or (done.failures.get("") if not done.has_read(source) else None)
    if failure is not None and not done.has_read(source):
        raise ServiceError(502, failure.message, details=failure.details)
    results = {source: _result(context, done, source), "synced_at": timestamp()}
    return {"success": True, "message": f"Sync initiated for {mapping.label}", "results": results}


class ClearBody(BaseModel):
    """What to forget."""

    model_config = ConfigDict(extra="ignore")

    source: str | None = Field(None, max_length=128)


@router.post("/cache/clear")
def clear_cache(
    request: Request, caller: CurrentCaller, context: CurrentContext, body: ClearBody | None = None
) -> dict[str, Any]:
    """Forgets what was pulled; golden ids, review answers and local records stay."""
    source = body.source if body else None
    if source is not None:
        known_source(context, source)
    names = clearing.pulled(caller.owner) if source is None else [source] if source != LOCAL else []
    clearing.clear(context, caller.owner, names)
    audit.note_call(context, caller, request, "cache.clear", source)
    return {"success": True, "message": f"Cache cleared for {source or 'all sources'}", "cleared": names}


@router.post("/test/{source}")
def try_source(source: str, request: Request, caller: CurrentCaller, context: CurrentContext) -> dict[str, Any]:
    """Logs in to the CRM and reads one record."""
    known_source(context, source)
    latency = 0 if source == LOCAL else log_in(context, caller.owner, source)
    audit.note_call(context, caller, request, "test", source)
    return {"success": True, "latency_ms": latency}


class SettingsBody(BaseModel):
    """What may be set for a source; what is absent stays, null takes it away."""

    model_config = ConfigDict(extra="forbid", strict=True)

    enabled: bool | None = None
    interval_minutes: int | None = Field(None, ge=1, le=525_600)
    cache_ttl_minutes: int | None = Field(None, ge=0, le=525_600)


@router.get("/sources/{source}")
def get_source(source: str, caller: CurrentCaller, context: CurrentContext) -> dict[str, Any]:
    """How a source is synced."""
    known_source(context, source)
    return told(settings_of(context, caller.owner, source))


@router.patch("/sources/{source}")
def patch_source(
    source: str, body: SettingsBody, request: Request, caller: CurrentCaller, context: CurrentContext
) -> dict[str, Any]:
    """Sets how a source is synced."""
    known_source(context, source)
    changes = body.model_dump(exclude_unset=True)
    if changes.get("enabled", True) is None:
        raise ServiceError(400, "enabled is true or false")
    audit.note_call(context, caller, request, "source.settings", source, changes=changes)
    return told(change_settings(context, caller.owner, source, changes))


@router.get("/audit")
def audit_trail(
    caller: CurrentCaller,
    context: CurrentContext,
    limit: Annotated[int, Query(ge=1, le=audit.MOST)] = 100,
    cursor: Annotated[str, Query(max_length=40)] = "",
) -> dict[str, Any]:
    """The caller's own trail, the newest first."""
    try:
        lines, more = audit.trail(context, caller.owner.name, limit=limit, cursor=cursor)
    except ValueError:
        raise ServiceError(400, "Invalid cursor") from None
    return {"success": True, "audit": lines, "count": len(lines), "nextCursor": more}


def _page(
    caller: CurrentCaller, context: Context, entity: str, source: str | None, limit: int | None, cursor: str | None
) -> Response:
    if source is not None:
        known_source(context, source)
    sync_if_stale(context, caller.owner, [source] if source is not None else statuses.shown(context, caller.owner))
    after = records.key_of(cursor) if cursor else ""
    found = records.hits(context, caller.owner, entity, source=source, after=after, limit=limit)

    def parts() -> Iterator[str]:
        yield f'{{"success":true,"{entity}":['
        number, last = 0, ""

        def counted() -> Iterator[Hit]:
            nonlocal number, last
            for hit in found:
                number, last = number + 1, hit.key
                yield hit

        yield from _listed(counted())
        yield f'],"count":{number}'
        if limit is not None:
            yield f',"nextCursor":{_json(records.cursor_of(last) if number == limit else None)}'
        yield "}"

    return _streamed(parts())


def _listed(hits: Iterator[Hit]) -> Iterator[str]:
    """The records, by commas, a few hundred at a time."""
    waiting: list[str] = []
    lead = ""
    for hit in hits:
        waiting.append(records.as_json(hit))
        if len(waiting) == CHUNK:
            yield lead + ",".join(waiting)
            lead, waiting = ",", []
    if waiting:
        yield lead + ",".join(waiting)


def _streamed(parts: Iterator[str]) -> Response:
    """One part is in memory at a time; what goes wrong before the first is still an error of its own."""
    first = next(parts)

    def encoded() -> Iterator[bytes]:
        yield first.encode("utf-8", "replace")
        yield from (part.encode("utf-8", "replace") for part in parts)

    return StreamingResponse(iterate_in_threadpool(encoded()), media_type="application/json")


def _result(context: Context, done: Synced, source: str) -> dict[str, Any]:
    """What became of each entity of a source."""
    entities = [entity for entity in ENTITIES if entity in known_source(context, source).entities] or list(ENTITIES)
    failure = done.failures.get(source) or (done.failures.get("") if not done.has_read(source) else None)
    found: dict[str, Any] = {}
    for entity in entities:
        if (source, "extract", entity) in done.counts or (failure is None and done.has_read(source)):
            found[entity] = {"success": True, "count": done.number(source, "extract", entity, "came_in")}
        else:
            error = {"error": failure.message, "details": failure.details} if failure else {"error": "Not read"}
            found[entity] = {"success": False, "count": 0, **error}
    return found


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
