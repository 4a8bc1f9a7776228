"""From a connection's name to a connection that can be used: mapping, settings, credentials, owner."""

from __future__ import annotations

import ipaddress
import os
import re
import zoneinfo
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipelines.connections.by_address import with_address
from pipelines.connections.connection import Connection, Settings
from pipelines.connections.errors import NoCredentials, SettingsError
from pipelines.connections.owner import Owner
from pipelines.connections.project import Project
from pipelines.connections.settings import connection_settings, variables
from pipelines.connections.variables import Filler, named_in
from pipelines.mapping import language
from pipelines.mapping.load import Schemas, load_mapping, load_schemas
from pipelines.mapping.problems import listed, nearest_name
from pipelines.mapping.push_rules import create_complaints
from pipelines.mapping.rules import Known

SANDBOX_OWNER = "sandbox"
DEFAULT_OWNER = "default"

# Keys whose values are no secrets, though they may come from the environment.
_OPEN_KEYS = ("base_url", "path", "timezone", "currency", "phone_region", "external_id")


def resolve(
    name: str,
    project: Project,
    data_dir: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    sandbox_environment: Mapping[str, str] | None = None,
    known: Known | None = None,
) -> Connection:
    """The connection called `name`, ready to use. Calls nothing.

    Args:
        name: a mapping's name, or one of `[connections.<name>]` in `.dlt/config.toml`.
        project: where mappings and settings are.
        data_dir: where the owners' folders are; default: the project's.
        environment: default `os.environ`; comes before `.dlt/secrets.toml`.
        sandbox_environment: the variables of a running sandbox; then nothing else is looked at, the owner is
            `sandbox`, and pushes are applied unless the settings say otherwise.
        known: registered names, for the check of the mapping.

    Raises:
        NoCredentials: none of the variables without a default is set.
        SettingsError: some are set and others not, or a setting is wrong.
        MappingErrors: the mapping or a schema is wrong.
    """
    given = os.environ if environment is None else environment
    is_sandbox = sandbox_environment is not None
    settings = connection_settings(project).get(name) or Settings.model_validate({})
    schemas = load_schemas(project.schemas)
    mapping = _mapping(name, project, settings, schemas, known)
    check_settings(name, settings, mapping, schemas)
    found = dict(sandbox_environment) if sandbox_environment is not None else variables(project, given)
    owner = SANDBOX_OWNER if is_sandbox else settings.owner or found.get("DEFAULT_OWNER", DEFAULT_OWNER)
    settings = settings.model_copy(update={"push": settings.push or ("apply" if is_sandbox else "plan")})
    whose = _owner(owner, data_dir or project.data_dir)
    try:
        return assembled(name, mapping, settings, found, whose, is_sandbox=is_sandbox)
    except NoCredentials:
        by_address = with_address(mapping, found, project)
        if by_address is None:
            raise
        return assembled(name, by_address, settings, found, whose)


def assembled(
    name: str,
    mapping: language.Mapping,
    settings: Settings,
    variables: Mapping[str, str],
    owner: Owner,
    *,
    is_sandbox: bool = False,
) -> Connection:
    """A connection from its parts; `variables` fill the mapping's.

    Raises:
        NoCredentials: none of the variables without a default is set.
        SettingsError: some are set and others not, or an address is none.
    """
    filler = Filler(name, mapping.crm, variables)
    _require(filler, mapping.connection)
    wire = _wire(filler, mapping.connection)
    _refuse_wrong_words(name, wire)
    _refuse_plain_http(name, wire, allowed=variables.get("ALLOW_INSECURE_CRM_URLS", "").lower() == "true")
    webhook_secret = filler.fill(mapping.webhook.secret) or None if mapping.webhook and mapping.webhook.secret else None
    return Connection(
        name=name,
        owner=owner,
        mapping=mapping,
        settings=settings,
        is_sandbox=is_sandbox,
        wire=wire,
        secrets=_secrets(filler, mapping),
        webhook_secret=webhook_secret,
    )


def connection_names(project: Project) -> list[str]:
    """All connections there are: the mappings' own, and those that the settings name."""
    return sorted({p.stem for p in project.mappings.glob("*.yml")} | set(connection_settings(project)))


def _mapping(
    name: str, project: Project, settings: Settings, schemas: Schemas, known: Known | None
) -> language.Mapping:
    path = project.mappings / f"{settings.mapping or name}.yml"
    if not path.is_file() or path.parent != project.mappings:
        names = connection_names(project)
        near = nearest_name(name, names)
        hint = f"did you mean {near}?" if near else f"there are {listed(names)}" if names else "there are none"
        raise SettingsError(f"{name}: no mapping mappings/{path.name}; {hint}")
    return load_mapping(path, schemas, known)


def check_settings(name: str, settings: Settings, mapping: language.Mapping, schemas: Schemas) -> None:
    """What only the mapping can tell about the settings.

    Raises:
        SettingsError: an entity or a field that is not there.
    """
    for entity in settings.entities or []:
        if entity not in mapping.entities:
            there = listed(mapping.entities)
            raise SettingsError(f"{name}: the mapping {mapping.crm} has no entity {entity!r}; it has {there}")
    pushed = [key for key, e in mapping.entities.items() if e.push and key in (settings.entities or mapping.entities)]
    for entity in pushed if settings.create is not None else []:
        for found, expected, near in create_complaints(settings.create or "", schemas[entity].fields):
            hint = f"did you mean {near}?" if near else f"expected {expected}"
            raise SettingsError(f"{name}: create: {found}; {hint}")


def _require(filler: Filler, connection: language.Connection) -> None:
    needed = list(dict.fromkeys(v for v, default in named_in(connection.model_dump()) if default is None))
    missing = [v for v in needed if filler.find(v) is None]
    names = [" or ".join(filler.names(v)) for v in missing]
    if missing and len(missing) == len(needed):
        raise NoCredentials(filler.connection, names)
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise SettingsError(
            f"{filler.connection}: credentials are half set: {', '.join(names)} {verb} missing; "
            "set all of them in the environment or .dlt/secrets.toml, or unset the others to use the sandbox"
        )


def _wire(filler: Filler, connection: language.Connection) -> language.Connection:
    filled = filler.fill(connection.model_dump(by_alias=True, exclude_unset=True))
    base_url = str(filled.get("base_url") or "").rstrip("/")
    return language.Connection.model_validate({**_with_base_url(filled, base_url), "base_url": base_url or None})


def _with_base_url(value: Any, base_url: str) -> Any:
    if isinstance(value, str):
        return value.replace("{base_url}", base_url)
    if isinstance(value, dict):
        return {key: _with_base_url(member, base_url) for key, member in value.items()}
    return [_with_base_url(member, base_url) for member in value] if isinstance(value, list) else value


def _refuse_wrong_words(name: str, wire: language.Connection) -> None:
    """What a variable filled in is looked at here: the mapping's own words were, when it was loaded."""
    for key, form, said in (
        ("phone_region", r"[A-Z]{2}", "two capitals (ISO 3166)"),
        ("currency", r"[A-Z]{3}", "three capitals (ISO 4217)"),
        ("external_id", r"\w*", "the name of a field"),
    ):
        if not re.fullmatch(form, value := getattr(wire, key) or ""):
            raise SettingsError(f"{name}: {key} is {value!r}; expected {said}")
    try:
        zoneinfo.ZoneInfo(wire.timezone)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        raise SettingsError(f"{name}: timezone {wire.timezone!r} is no zone") from None


def _refuse_plain_http(name: str, wire: language.Connection, *, allowed: bool) -> None:
    for url in _urls(wire.model_dump()):
        parts = urlsplit(url)
        if parts.scheme == "http" and not allowed and not _is_loopback(parts.hostname or ""):
            raise SettingsError(
                f"{name}: http://{parts.hostname} would send credentials unencrypted; use https, "
                "or set ALLOW_INSECURE_CRM_URLS=true"
            )
    if not wire.base_url:
        return
    parts = urlsplit(wire.base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"{name}: base_url is no http(s) address")
    if parts.password is not None:
        raise SettingsError(f"{name}: base_url carries a password; name it under auth")


def _urls(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value.lower().startswith("http://"):
        yield value
    elif isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _urls(member)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _owner(name: str, data_dir: Path) -> Owner:
    try:
        return Owner(name, data_dir)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _secrets(filler: Filler, mapping: language.Mapping) -> frozenset[str]:
    """Values that came from outside, but for addresses and what is only used where nothing is secret."""
    block = mapping.connection.model_dump()
    hidden = [value for key, value in block.items() if key not in _OPEN_KEYS]
    hidden.append(mapping.webhook.secret if mapping.webhook else None)
    values = (filler.used[v] for v, _ in named_in(hidden) if v in filler.used)
    return frozenset(value for value in values if not value.lower().startswith(("http://", "https://")))
