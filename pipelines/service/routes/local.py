"""Records entered here (`/api/crm/integrations/local`), in canonical fields; unified and pushed like any others."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import Body, Path, Request
from fastapi.responses import JSONResponse

from pipelines.service import audit
from pipelines.service.auth import Caller, CurrentCaller, CurrentContext
from pipelines.service.connections import LOCAL, mappings_of
from pipelines.service.context import Context
from pipelines.service.errors import ServiceError
from pipelines.service.routing import router as make_router
from pipelines.service.unified import local
from pipelines.service.unified.canonical_input import checked
from pipelines.service.unified.local_ids import golden_ids, kept_references, record_id_of, shown_references
from pipelines.service.unified.statuses import moment
from pipelines.state import local_records
from pipelines.state.local_records import LocalRecord

router = make_router("/api/crm/integrations/local", tag="local records")
Entity = Literal["contacts", "deals", "properties"]
NAMES = {"contacts": "contact", "deals": "deal", "properties": "property"}
Id = Annotated[str, Path(max_length=200, pattern=r"^[^\x00]+$")]
Fields = Annotated[dict[str, Any], Body(description="Canonical fields; see schemas/")]


@router.post("/{entity}", status_code=201)
def create(
    entity: Entity, fields: Fields, request: Request, caller: CurrentCaller, context: CurrentContext
) -> dict[str, Any]:
    """Enters a record."""
    said = {name: value for name, value in _fields(context, caller, entity, fields).items() if value is not None}
    if not said:
        raise ServiceError(400, "Give at least one field")
    one = local_records.add(context.state_of(caller.owner), entity, secrets.token_hex(8), said)
    _entered(context, caller, entity, [one])
    audit.note_call(context, caller, request, "local.create", LOCAL, entity=entity, ids=[one.record_id])
    return {"success": True, NAMES[entity]: _shown(context, caller, one)}


@router.get("/{entity}")
def list_all(entity: Entity, caller: CurrentCaller, context: CurrentContext) -> dict[str, Any]:
    """The records entered here."""
    found = local_records.load(context.state_of(caller.owner), entity)
    known = golden_ids(context.state_of(caller.owner), entity, found)
    shown = [_shown(context, caller, one, known) for one in found]
    return {"success": True, entity: shown, "count": len(shown)}


@router.get("/{entity}/{record_id}")
def read(entity: Entity, record_id: Id, caller: CurrentCaller, context: CurrentContext) -> dict[str, Any]:
    """One record."""
    one = local_records.get(context.state_of(caller.owner), entity, _id(context, caller, entity, record_id))
    return {"success": True, NAMES[entity]: _shown(context, caller, _there(one, entity))}


@router.patch("/{entity}/{record_id}")
def change(
    entity: Entity, record_id: Id, fields: Fields, request: Request, caller: CurrentCaller, context: CurrentContext
) -> dict[str, Any]:
    """Changes fields; null empties one, what is absent stays."""
    said = _fields(context, caller, entity, fields)
    state = context.state_of(caller.owner)
    one = _there(local_records.change(state, entity, _id(context, caller, entity, record_id), said), entity)
    _entered(context, caller, entity, [one])
    audit.note_call(
        context, caller, request, "local.change", LOCAL, entity=entity, ids=[one.record_id], fields=sorted(said)
    )
    return {"success": True, NAMES[entity]: _shown(context, caller, one)}


@router.delete("/{entity}/{record_id}")
def delete(
    entity: Entity, record_id: Id, request: Request, caller: CurrentCaller, context: CurrentContext
) -> JSONResponse:
    """Deletes a record; what other sources say of the same person stays."""
    local_id = _id(context, caller, entity, record_id)
    if not local_records.delete(context.state_of(caller.owner), entity, local_id):
        _there(None, entity)
    _entered(context, caller, entity, [], gone=[f"{LOCAL}:{local_id}"])
    audit.note_call(context, caller, request, "local.delete", LOCAL, entity=entity, ids=[local_id])
    return JSONResponse({"success": True})


def _fields(context: Context, caller: Caller, entity: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields as they are kept: references as record keys, which stay whatever is merged."""
    mapping = mappings_of(context)[LOCAL]
    known = mapping.entities[entity].fields
    schema = context.schemas[entity]
    unknown = [name for name in fields if name in schema.fields and name not in known]
    if unknown:
        details = [{"field": name, "message": "cannot be entered here"} for name in unknown]
        raise ServiceError(400, "Invalid fields", details=details)
    said = checked(schema, fields, region=mapping.connection.phone_region)
    return kept_references(context.state_of(caller.owner), schema, said)


def _id(context: Context, caller: Caller, entity: str, record_id: str) -> str:
    """The id here: as it was given out, or of a golden record that has one of ours."""
    return record_id_of(context.state_of(caller.owner), entity, record_id)


def _there(one: LocalRecord | None, entity: str) -> LocalRecord:
    if one is None:
        raise ServiceError(404, f"There is no such {NAMES[entity]}")
    return one


def _entered(
    context: Context, caller: Caller, entity: str, changed: list[LocalRecord], gone: Sequence[str] = ()
) -> None:
    """It is found at once, and unified soon."""
    local.put_into_index(context, caller.owner, entity, changed, gone)
    if context.background is not None and hasattr(context.background, "changed"):
        context.background.changed(caller.owner.name, LOCAL, needs_reading=True)


def _shown(context: Context, caller: Caller, one: LocalRecord, known: dict[str, str] | None = None) -> dict[str, Any]:
    state = context.state_of(caller.owner)
    ids = golden_ids(state, one.entity, [one]) if known is None else known
    schema = context.schemas[one.entity]
    return {
        "id": one.record_id,
        "golden_id": ids.get(one.key),
        "source": LOCAL,
        "source_id": one.record_id,
        **shown_references(state, schema, one.record),
        "created_at": moment(one.created_at),
        "updated_at": moment(one.updated_at),
    }
