"""Connections that users make over the API: credentials by name, settings and fields of their own.

A user's connection is filled from the user's credentials alone. Of the operator's variables only addresses that have a
default in the mapping hold for it, never a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.connections.addresses import Allowed, refuse_private
from pipelines.connections.connection import Connection, Settings
from pipelines.connections.errors import SettingsError
from pipelines.connections.owner import Owner
from pipelines.connections.project import Project
from pipelines.connections.resolve import assembled, check_settings, connection_names
from pipelines.connections.variables import named_in
from pipelines.mapping import language
from pipelines.mapping.load import Schemas, load_mapping
from pipelines.mapping.overrides import load_overridden
from pipelines.mapping.problems import listed, nearest_name
from pipelines.mapping.rules import Known

BASE_ADDRESS = "instanceUrl"
ONLY_KEY = frozenset({"apiKey", "accessToken", "apiToken", "token"})
LONGEST = 8_192
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Stored:
    """One connection as it is kept; `provider` is the mapping's name, and the connection's."""

    provider: str
    credentials: Mapping[str, str] = field(repr=False)
    settings: Settings = field(default_factory=lambda: Settings.model_validate({}))
    field_mapping: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Credential:
    """One thing that a user must, or may, give: `apiKey` for the variable NORTH_API_KEY."""

    name: str
    variable: str
    is_needed: bool
    is_address: bool


def providers(project: Project, schemas: Schemas) -> dict[str, language.Mapping]:
    """The CRMs that a user can connect, by name: those that are reached over the network."""
    found = {}
    for path in sorted(project.mappings.glob("*.yml")):
        mapping = load_mapping(path, schemas)
        if mapping.connection.kind == "http":
            found[path.stem] = mapping
    return found


def credentials_of(mapping: language.Mapping) -> list[Credential]:
    """What the mapping's connection is made from; what must be given comes first."""
    block = mapping.connection.model_dump()
    at_base = {variable for variable, _ in named_in(block.get("base_url"))}
    found: dict[str, Credential] = {}
    for variable, default in named_in(block):
        is_address = variable in at_base or variable.endswith(("_URL", "_URI"))
        if default is None or is_address:
            named = Credential(_named(variable, mapping.crm), variable, default is None, is_address)
            found.setdefault(variable, named)
    proof = mapping.webhook.secret if mapping.webhook else None  # without it the CRM's own webhooks are refused
    for variable, _ in named_in(proof):
        found.setdefault(variable, Credential(_named(variable, mapping.crm), variable, False, False))
    return sorted(found.values(), key=lambda one: not one.is_needed)


def resolve_stored(
    stored: Stored,
    project: Project,
    owner: Owner,
    schemas: Schemas,
    *,
    environment: Mapping[str, str],
    known: Known | None = None,
    allowed: Allowed | None = None,
) -> Connection:
    """The connection, ready to use; calls nothing.

    Args:
        stored: as the user made it.
        project: where mappings are.
        owner: whose it is.
        schemas: canonical schemas.
        environment: the operator's variables; see the module.
        known: registered names, for the check of the fields.
        allowed: which addresses users may name; default: as `environment` says.

    Raises:
        SettingsError: a credential is missing, unknown or not usable; all of them named, none quoted.
        MappingErrors: all that is wrong with the fields.
    """
    path = project.mappings / f"{stored.provider}.yml"
    if not path.is_file() or path.parent != project.mappings:
        raise SettingsError(f"{stored.provider}: unknown provider; there are {listed(connection_names(project), 40)}")
    mapping = load_overridden(path, dict(stored.field_mapping or {}), schemas, known)
    if mapping.connection.kind != "http":
        raise SettingsError(f"{stored.provider}: is not connected over the network")
    check_settings(stored.provider, stored.settings, mapping, schemas)
    wanted = credentials_of(mapping)
    given = _recognised(stored.credentials, wanted)
    _check(given, wanted, Allowed.of(environment) if allowed is None else allowed)
    optional = {one.variable for one in wanted if one.is_address and not one.is_needed}
    kept = {"ALLOW_INSECURE_CRM_URLS", *optional}
    of_operator = {key: value for key, value in environment.items() if key in kept and value.strip()}
    variables = {**of_operator, **{one.variable: given[one.name].strip() for one in wanted if one.name in given}}
    if any(one.is_address and one.name in given for one in wanted):
        variables["ALLOW_INSECURE_CRM_URLS"] = "true"  # `_check` has seen to it, by the machine and not by its name
    settings = stored.settings.model_copy(update={"push": stored.settings.push or "plan"})
    return assembled(stored.provider, _with_local(mapping), settings, variables, owner)


def _with_local(mapping: language.Mapping) -> language.Mapping:
    """Who connects a CRM pushes all they have to it, what is entered here included: `linked` alone leaves that out."""
    changed = {
        name: entity.model_copy(update={"push": entity.push.model_copy(update={"create": "all"})})
        for name, entity in mapping.entities.items()
        if entity.push is not None and entity.push.create == "linked"
    }
    return mapping.model_copy(update={"entities": {**mapping.entities, **changed}})


def _named(variable: str, crm: str) -> str:
    """NORTH_API_KEY as apiKey, also for a second mapping of the same CRM (north_leads)."""
    for prefix in (crm.upper(), crm.upper().partition("_")[0]):
        if variable.startswith(f"{prefix}_"):
            variable = variable.removeprefix(f"{prefix}_")
            break
    first, *rest = variable.lower().split("_")
    return first + "".join(word.capitalize() for word in rest)


def _recognised(given: Mapping[str, str], wanted: list[Credential]) -> dict[str, str]:
    """By our names: `instanceUrl` is the base address of any CRM, and a lone key may have any usual name."""
    found = dict(given)
    names = {one.name for one in wanted}
    addresses = [one.name for one in wanted if one.is_address]
    if BASE_ADDRESS in found and BASE_ADDRESS not in names and len(addresses) == 1:
        found[addresses[0]] = found.pop(BASE_ADDRESS)
    keys = [one.name for one in wanted if one.is_needed and not one.is_address]
    others = [name for name in found if name in ONLY_KEY and name not in names]
    if len(keys) == 1 and keys[0] not in found and len(others) == 1:
        found[keys[0]] = found.pop(others[0])
    return found


def _check(given: Mapping[str, str], wanted: list[Credential], allowed: Allowed) -> None:
    problems = []
    names = [one.name for one in wanted]
    for name in given:
        if name not in names:
            near = nearest_name(name, names)
            hint = f"did you mean {near}?" if near else f"there are {listed(names)}"
            problems.append(f"{name}: unknown credential; {hint}")
        elif _CONTROL.search(given[name]) or len(given[name]) > LONGEST:
            problems.append(f"{name}: holds line breaks or other control characters, or is too long")
    problems += [f"{one.name}: is missing" for one in wanted if one.is_needed and not given.get(one.name, "").strip()]
    if problems:
        raise SettingsError("; ".join(problems))
    for one in wanted:
        if one.is_address and one.name in given:
            refuse_private(given[one.name].strip(), one.name, allowed)
