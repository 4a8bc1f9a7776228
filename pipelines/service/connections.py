"""The connections of an owner as the service sees them: which sources there are, and how each is made ready."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.commands.owned import NotTheirs, resolve_owned
from pipelines.connections.addresses import Allowed
from pipelines.connections.by_address import stands_for
from pipelines.connections.connection import Connection
from pipelines.connections.errors import SettingsError
from pipelines.connections.owner import Owner
from pipelines.connections.resolve import SANDBOX_OWNER
from pipelines.mapping import language
from pipelines.mapping.load import load_mapping
from pipelines.mapping.problems import MappingErrors, listed
from pipelines.service.errors import ServiceError
from pipelines.state import service_connections

if TYPE_CHECKING:
    from pipelines.service.context import Context

LOCAL = "local"
UNKNOWN_ADDRESS = "https://not-configured.invalid/"


def mappings_of(context: Context) -> dict[str, language.Mapping]:
    """Every mapping that can be read, by name; those that are wrong are left out, as `crosswalk check` tells."""
    found = {}
    for path in sorted(context.project.mappings.glob("*.yml")):
        try:
            found[path.stem] = _mapping(path, path.stat().st_mtime_ns, context)
        except MappingErrors:
            continue
    return found


_read: dict[tuple[Path, int], language.Mapping] = {}


def _mapping(path: Path, changed: int, context: Context) -> language.Mapping:
    if (path, changed) not in _read:
        _read[path, changed] = load_mapping(path, context.schemas)
    return _read[path, changed]


def sources(context: Context) -> dict[str, language.Mapping]:
    """What `source` may be: CRMs and files, and `local`; the tables of the whole service are none."""
    return {
        name: mapping
        for name, mapping in mappings_of(context).items()
        if mapping.connection.kind != "table" or name == LOCAL
    }


def known_source(context: Context, name: str) -> language.Mapping:
    """The mapping of a source.

    Raises:
        ServiceError: 404, with the sources that exist.
    """
    found = sources(context)
    if name not in found:
        names = sorted(found)
        raise ServiceError(404, f"Unknown source {name[:80]!r}", details=f"There are {listed(names, 40)}")
    return found[name]


def sandbox_variables(context: Context) -> dict[str, str] | None:
    """What makes connections use the emulated CRMs; None where the service does not run on them."""
    from pipelines.commands.session import emulated_variables

    return None if context.sandbox is None else emulated_variables(context.sandbox)


def allowed(context: Context) -> Allowed:
    """Which addresses users may name: as the operator says, and the emulated CRMs."""
    found = Allowed.of(context.environment)
    return found.also(context.sandbox.address) if context.sandbox is not None else found


def child_environment(context: Context) -> dict[str, str]:
    """The variables that a process which works for an owner needs beside this one's."""
    given = dict(context.environment)
    if context.settings.external_crm_enabled:
        # webhooks are taken in although nobody has said where to poll
        given = {"EXTERNAL_CRM_API_URL": UNKNOWN_ADDRESS, "EXTERNAL_CRM_API_KEY": "not-configured", **given}
    if context.sandbox is not None:
        listed_before = given.get("ALLOWED_CRM_ADDRESSES", "")
        given["ALLOWED_CRM_ADDRESSES"] = ",".join(filter(None, (listed_before, context.sandbox.address)))
    return given


def resolve_for(context: Context, owner: Owner | str, name: str) -> Connection:
    """An owner's connection, ready to use.

    Raises:
        NotTheirs: the owner has none of that name.
        SettingsError: it cannot be used.
        MappingErrors: its mapping, or its own fields, are wrong.
    """
    whose = context.owner(owner) if isinstance(owner, str) else owner
    emulated = sandbox_variables(context) if whose.name == SANDBOX_OWNER else None
    return resolve_owned(
        name, context.project, whose, context.state_of(whose), context.schemas,
        environment=child_environment(context), sandbox_environment=emulated,
    )  # fmt: skip


def connected(context: Context, owner: Owner) -> list[str]:
    """Names of the sources that the owner can sync: what they connected, and what the operator configured for them."""
    theirs = {one.provider for one in service_connections.load(context.state_of(owner))}
    is_served = owner.name in (context.settings.default_owner, SANDBOX_OWNER) or _has_settings(context, owner)
    named = [name for name in sources(context) if name != LOCAL]
    return [name for name in named if name in theirs or (is_served and _is_configured(context, owner, name))]


def _is_configured(context: Context, owner: Owner, name: str) -> bool:
    """Whether the operator has configured it for this owner."""
    try:
        found = context.connections(owner.name, name)
    except (SettingsError, MappingErrors):
        return False
    if (found.wire.base_url or "").startswith(UNKNOWN_ADDRESS.rstrip("/")):
        return False
    return not found.mapping.connection.instead or stands_for(name, context.environment, context.project) is None


def _has_settings(context: Context, owner: Owner) -> bool:
    """Whether the operator has made connections for this owner in `.dlt/config.toml`."""
    from pipelines.connections.settings import connection_settings

    return any(said.owner == owner.name for said in connection_settings(context.project).values())


def labels(context: Context, names: list[str]) -> Mapping[str, str]:
    """The names that people know the sources by."""
    known = mappings_of(context)
    return {name: known[name].label if name in known else name for name in names}


__all__ = [
    "LOCAL", "NotTheirs", "allowed", "child_environment", "connected", "known_source", "labels", "mappings_of",
    "resolve_for", "sandbox_variables", "sources",
]  # fmt: skip
