"""Exports of golden records (`/api/crm/integrations/export`), and saved filters (`/segments`)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import iterate_in_threadpool

from pipelines.service import audit
from pipelines.service.auth import Caller, CurrentCaller, CurrentContext
from pipelines.service.connections import known_source
from pipelines.service.context import Context
from pipelines.service.errors import ServiceError
from pipelines.service.routing import router as make_router
from pipelines.service.unified.exports import MEDIA, Format, export
from pipelines.service.unified.filters import SOURCE, checked, where
from pipelines.service.unified.statuses import moment
from pipelines.state import segments

router = make_router("/api/crm/integrations", tag="exports")
Entity = Literal["contacts", "deals", "properties", "users"]
Name = Annotated[str, Path(max_length=100, pattern=r"^[^\x00]+$")]
_NOT_FILTERS = frozenset({"entity", "format", "segment"})
_FILE = {"200": {"content": {media: {"schema": {"type": "string", "format": "binary"}} for media in MEDIA.values()}}}


@router.get("/export", response_class=StreamingResponse, openapi_extra={"responses": _FILE})
def export_file(
    request: Request,
    caller: CurrentCaller,
    context: CurrentContext,
    entity: Entity = "contacts",
    format: Format = "csv",
    segment: Annotated[
        str | None, Query(max_length=100, pattern=r"^[^\x00]+$", description="A saved filter; others narrow it")
    ] = None,
) -> Response:
    """Golden records as a file. Any other parameter is a filter: a field of the schema, `source`, `changed_since`."""
    pairs = [(name, value) for name, value in request.query_params.multi_items() if name not in _NOT_FILTERS]
    if segment is not None:
        pairs = [*_segment_filters(context, caller, segment, entity), *pairs]
    for name, value in pairs:
        if name == SOURCE:
            known_source(context, value)
    schema = context.schemas[entity]
    wanted = where(schema, pairs)
    pieces = export(context, caller.owner, schema, wanted, format)
    first = next(pieces, b"")

    def all_pieces() -> Iterator[bytes]:
        yield first
        yield from pieces

    audit.note_call(
        context, caller, request, "export", entity=entity, format=format, filters=sorted({n for n, _ in pairs})
    )
    name = f"{entity}-{datetime.now(UTC):%Y%m%d-%H%M%S}.{format}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(iterate_in_threadpool(all_pieces()), media_type=MEDIA[format], headers=headers)


class SegmentBody(BaseModel):
    """A filter to save: a field and its value, or a list of values of which any will do."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f/]+$")
    entity: Entity = "contacts"
    filters: dict[str, str | int | float | bool | list[str | int | float | bool | None] | None] = Field(max_length=50)


@router.get("/segments")
def list_segments(caller: CurrentCaller, context: CurrentContext) -> dict[str, Any]:
    """The caller's saved filters."""
    found = [_shown(one) for one in segments.load(context.state_of(caller.owner))]
    return {"success": True, "segments": found, "count": len(found)}


@router.post("/segments", status_code=201)
def save_segment(body: SegmentBody, request: Request, caller: CurrentCaller, context: CurrentContext) -> dict[str, Any]:
    """Saves a filter; one of the same name is replaced."""
    checked(context.schemas[body.entity], body.filters)
    one = segments.save(context.state_of(caller.owner), body.name, body.entity, body.filters)
    audit.note_call(context, caller, request, "segment.save", name=body.name)
    return {"success": True, "segment": _shown(one)}


@router.delete("/segments/{name}")
def delete_segment(name: Name, request: Request, caller: CurrentCaller, context: CurrentContext) -> dict[str, Any]:
    """Removes a saved filter."""
    if not segments.remove(context.state_of(caller.owner), name):
        raise ServiceError(404, "There is no such segment")
    audit.note_call(context, caller, request, "segment.delete", name=name)
    return {"success": True}


@router.delete("/segments")
def delete_segment_by_query(
    request: Request,
    caller: CurrentCaller,
    context: CurrentContext,
    name: Annotated[str, Query(min_length=1, max_length=100, pattern=r"^[^\x00]+$")],
) -> dict[str, Any]:
    """Removes a saved filter, named in the query."""
    return delete_segment(name, request, caller, context)


def _segment_filters(context: Context, caller: Caller, name: str, entity: str) -> list[tuple[str, str]]:
    one = segments.get(context.state_of(caller.owner), name)
    if one is None:
        raise ServiceError(404, "There is no such segment")
    if one.entity != entity:
        raise ServiceError(400, f"The segment is of {one.entity}, not of {entity}")
    return checked(context.schemas[one.entity], one.filters)


def _shown(one: segments.Segment) -> dict[str, Any]:
    return {"name": one.name, "entity": one.entity, "filters": one.filters, "created_at": moment(one.created_at)}
