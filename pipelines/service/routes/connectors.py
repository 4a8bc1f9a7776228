"""Connectors (`/api/integrations/crm`): users connect a CRM and push their records to it."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.connections.connection import Settings
from pipelines.connections.errors import SettingsError
from pipelines.connections.stored import Stored, credentials_of, resolve_stored
from pipelines.connections.vault import NoKey, Vault
from pipelines.mapping import language
from pipelines.mapping.overrides import load_overridden
from pipelines.mapping.problems import MappingErrors, listed
from pipelines.service import audit, schedules
from pipelines.service.auth import Caller, CurrentCaller, CurrentContext, jwt_guard
from pipelines.service.connections import allowed, child_environment, mappings_of
from pipelines.service.context import Context
from pipelines.service.errors import ServiceError
from pipelines.service.probing import tried
from pipelines.service.routing import router as make_router
from pipelines.service.syncing import Synced, sync
from pipelines.service.unified.statuses import moment, statuses
from pipelines.state import accounts, service_connections, set_aside

PREFIX = "/api/integrations/crm"
GUARDS = {PREFIX: jwt_guard}
router = make_router(PREFIX, tag="connectors")
ENTITIES = {"syncContacts": "contacts", "syncProperties": "properties", "syncDeals": "deals"}
VALIDATION_FAILED, INTEGRATION_FAILED = "VALIDATION_FAILED", "INTEGRATION_FAILED"


class SyncConfig(BaseModel):
    """What is synced, and in which direction."""

    model_config = ConfigDict(extra="forbid", strict=True)

    syncContacts: bool = True  # noqa: N815 - the contract's words
    syncProperties: bool = True  # noqa: N815
    syncDeals: bool = True  # noqa: N815
    syncDirection: Literal["push", "pull", "both"] = "push"  # noqa: N815


class ConnectBody(BaseModel):
    """Credentials by name, as `GET /api/integrations/crm` lists them."""

    model_config = ConfigDict(extra="ignore")

    credentials: dict[str, str] = Field(min_length=1, max_length=20)
    syncConfig: SyncConfig = Field(default_factory=SyncConfig)  # noqa: N815


class SyncBody(BaseModel):
    """`confirm`: go on although it changes much."""

    model_config = ConfigDict(extra="ignore", strict=True)

    confirm: bool = False


class PatchBody(BaseModel):
    """What is absent stays; of `syncConfig` also what it does not name."""

    model_config = ConfigDict(extra="forbid")

    syncConfig: dict[str, Any] | None = None  # noqa: N815
    fieldMapping: dict[str, dict[str, Any]] | None = Field(None, description="{} takes the overrides away")  # noqa: N815


@router.get("")
def providers(caller: CurrentCaller, context: CurrentContext) -> dict[str, Any]:
    """The CRMs that can be connected, and what each asks for."""
    del caller
    try:
        can_keep = bool(Vault.of(context.environment))
    except NoKey:
        can_keep = False
    found = [
        {
            "provider": name,
            "name": mapping.label,
            "available": can_keep,
            "capabilities": list(mapping.entities),
            "credentials": [one.name for one in credentials_of(mapping) if one.is_needed],
        }
        for name, mapping in _providers(context).items()
    ]
    return {"success": True, "providers": found}


@router.get("/user")
def integrations(caller: CurrentCaller, context: CurrentContext) -> dict[str, Any]:
    """The caller's connections, without their credentials."""
    kept = service_connections.load(context.state_of(caller.owner))
    known = statuses(context, caller.owner, [one.provider for one in kept])
    found = [
        {
            "provider": one.provider,
            "syncConfig": _config_of(one.settings),
            "fieldMapping": one.field_mapping,
            "connectedAt": moment(one.connected_at),
            "lastSync": moment(known[one.provider].last_sync),
            "status": "syncing" if known[one.provider].status == "syncing" else one.status,
            "lastError": one.last_error,
        }
        for one in kept
    ]
    return {"success": True, "integrations": found}


@router.post("/{provider}/connect")
def connect(
    provider: str, body: ConnectBody, request: Request, caller: CurrentCaller, context: CurrentContext
) -> dict[str, Any]:
    """Logs in, and keeps what worked; connecting again replaces."""
    mapping = _known(context, provider)
    try:
        vault = Vault.of(context.environment)
    except NoKey as problem:
        raise ServiceError(503, str(problem), code=INTEGRATION_FAILED) from None
    stored = Stored(provider, body.credentials, _settings(body.syncConfig, mapping))
    _try(context, caller, stored)
    sealed = vault.seal(caller.owner.name, provider, body.credentials)
    service_connections.save(context.state_of(caller.owner), stored, sealed)
    _changed(context, caller, provider)
    audit.note_call(context, caller, request, "connect", provider)
    return {"success": True, "provider": provider, "status": "connected"}


@router.post("/{provider}/sync")
def sync_provider(
    provider: str, request: Request, caller: CurrentCaller, context: CurrentContext, body: SyncBody | None = None
) -> dict[str, Any]:
    """Pulls and pushes as syncDirection says, at once."""
    kept = _connected(context, caller, provider)
    direction = kept.settings.direction
    confirmed = bool(body and body.confirm)
    push = "off" if direction == "pull" else "apply"
    done = sync(context, caller.owner, [provider], push=push, allow_mass_change=confirmed)
    numbers = {entity: _number(done, provider, entity, direction) for entity in ENTITIES.values()}
    audit.note_call(context, caller, request, "sync", provider, **numbers)
    _refuse(done, provider)
    failed = sum(done.number(provider, "push", entity, "failed") for entity in ENTITIES.values())
    told = {f"{entity}Synced": number for entity, number in numbers.items()}
    return {"success": True, **told, **({"failed": failed} if failed else {})}


@router.patch("/{provider}")
def change(
    provider: str, body: PatchBody, request: Request, caller: CurrentCaller, context: CurrentContext
) -> dict[str, Any]:
    """Changes what is synced, and fields of the connection's own."""
    kept, mapping = _connected(context, caller, provider), _known(context, provider)
    settings = None
    if body.syncConfig is not None:
        merged = {**_config_of(kept.settings), **body.syncConfig}
        try:
            settings = _settings(SyncConfig.model_validate(merged), mapping, kept.settings)
        except ValidationError as problem:
            raise ServiceError(400, "syncConfig is wrong", details=_told(problem), code=VALIDATION_FAILED) from None
    if body.fieldMapping is not None:
        _check_fields(context, provider, body.fieldMapping)
    service_connections.change(context.state_of(caller.owner), provider, settings, body.fieldMapping)
    _changed(context, caller, provider)
    audit.note_call(context, caller, request, "connection.change", provider, changes=sorted(body.model_fields_set))
    now = _connected(context, caller, provider)
    config = _config_of(now.settings)
    return {"success": True, "provider": provider, "syncConfig": config, "fieldMapping": now.field_mapping}


@router.delete("/{provider}")
def disconnect(provider: str, request: Request, caller: CurrentCaller, context: CurrentContext) -> dict[str, Any]:
    """Removes the connection and its credentials."""
    _connected(context, caller, provider)
    service_connections.remove(context.state_of(caller.owner), provider)
    schedules.remove_schedule(context, caller.owner.name, provider)
    accounts.note(context.store, provider, caller.owner.name, None)
    _changed(context, caller, provider)
    audit.note_call(context, caller, request, "disconnect", provider)
    return {"success": True}


def _providers(context: Context) -> dict[str, language.Mapping]:
    return {name: mapping for name, mapping in mappings_of(context).items() if mapping.connection.kind == "http"}


def _known(context: Context, provider: str) -> language.Mapping:
    found = _providers(context)
    if provider not in found:
        message = f"Unknown provider {provider[:80]!r}; there are {listed(found, 40)}"
        raise ServiceError(400, message, code=VALIDATION_FAILED, details={"providers": list(found)})
    return found[provider]


def _connected(context: Context, caller: Caller, provider: str) -> service_connections.Kept:
    mapping = _known(context, provider)
    kept = service_connections.get(context.state_of(caller.owner), provider)
    if kept is None:
        raise ServiceError(400, f"{mapping.label} is not connected", code=VALIDATION_FAILED)
    return kept


def _try(context: Context, caller: Caller, stored: Stored) -> None:
    """Logs in with what was given; nothing is kept yet."""
    try:
        connection = resolve_stored(
            stored, context.project, caller.owner, context.schemas,
            environment=child_environment(context), allowed=allowed(context),
        )  # fmt: skip
    except (SettingsError, MappingErrors) as problem:
        raise ServiceError(400, str(problem), code=VALIDATION_FAILED) from None
    tried(context, connection, on_a_users_word=True)


def _settings(config: SyncConfig, mapping: language.Mapping, before: Settings | None = None) -> Settings:
    """Entities that the contract does not name, such as users, go along as the mapping has them."""
    off = {entity for key, entity in ENTITIES.items() if not getattr(config, key)}
    said: dict[str, Any] = {} if before is None else before.model_dump(exclude_unset=True)
    said |= {"direction": config.syncDirection}
    said["entities"] = [entity for entity in mapping.entities if entity not in off] if off else None
    return Settings.model_validate({key: value for key, value in said.items() if value is not None})


def _config_of(settings: Settings) -> dict[str, Any]:
    wanted = settings.entities
    config = {key: wanted is None or entity in wanted for key, entity in ENTITIES.items()}
    return {**config, "syncDirection": settings.direction}


def _check_fields(context: Context, provider: str, fields: dict[str, dict[str, Any]]) -> None:
    path = context.project.mappings / f"{provider}.yml"
    try:
        load_overridden(path, fields, context.schemas)
    except MappingErrors as wrong:
        problems = [str(problem).replace("fieldMapping:1:1 ", "") for problem in wrong.problems]
        raise ServiceError(400, "fieldMapping is wrong", details=problems, code=VALIDATION_FAILED) from None


def _changed(context: Context, caller: Caller, provider: str) -> None:
    """What is remembered of the connection is read anew; webhooks that nobody could map before are tried again."""
    context.connections.forget(caller.owner.name, provider)
    if set_aside.try_again(context.store, caller.owner.name, provider) and context.background is not None:
        context.background.take_in()


def _number(done: Synced, provider: str, entity: str, direction: str) -> int:
    pushed = done.number(provider, "push", entity, "pushed")
    pulled = done.number(provider, "extract", entity, "came_in")
    return {"push": pushed, "pull": pulled}.get(direction, pushed + pulled)


def _refuse(done: Synced, provider: str) -> None:
    """A sync that did not come through is no success."""
    # what is entered here goes along: where it could not be read, not all was pushed
    failure = done.failures.get(provider) or next(iter(done.failures.values()), None)
    if done.is_guarded:
        planned = {entity: row.get("planned", 0) for (_, stage, entity), row in done.counts.items() if stage == "plan"}
        details = {"counts": planned, "confirm": True, "reason": failure.message if failure else None}
        message = 'This would change much at once; send {"confirm": true} to go on'
        raise ServiceError(409, message, code=VALIDATION_FAILED, details=details)
    if failure is not None:
        raise ServiceError(502, failure.message, code=INTEGRATION_FAILED, details=failure.details)


def _told(problem: ValidationError) -> list[dict[str, str]]:
    found = problem.errors(include_url=False, include_input=False)
    return [{"field": ".".join(map(str, one["loc"])), "message": str(one["msg"])} for one in found]
