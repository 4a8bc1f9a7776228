"""The connections of one owner, wherever they were made: over the API, or by the operator for this owner."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from pipelines.commands.exits import Exit, Stop
from pipelines.commands.session import EVERYTHING, Session, with_rows
from pipelines.connections.addresses import Allowed, guard_process
from pipelines.connections.by_address import stands_for
from pipelines.connections.connection import Connection
from pipelines.connections.errors import NoCredentials, SettingsError
from pipelines.connections.owner import Owner
from pipelines.connections.project import Project
from pipelines.connections.redact import Redactor
from pipelines.connections.resolve import SANDBOX_OWNER, connection_names, resolve
from pipelines.connections.settings import variables
from pipelines.connections.stored import resolve_stored
from pipelines.connections.vault import Vault
from pipelines.mapping.load import Schemas, load_schemas
from pipelines.mapping.overrides import load_overridden
from pipelines.state import organisations, service_connections
from pipelines.state.database import State, open_state


class NotTheirs(NoCredentials):
    """The owner has no connection of that name."""

    def __init__(self, name: str, owner: str) -> None:
        super().__init__(name, [])
        self.args = (f"{name}: owner {owner} has no such connection",)


def made_by_users(state: State) -> dict[str, service_connections.Kept]:
    """The owner's connections that were made over the API, by name."""
    return {one.provider: one for one in service_connections.load(state)}


def resolve_owned(
    name: str,
    project: Project,
    owner: Owner,
    state: State,
    schemas: Schemas,
    *,
    environment: Mapping[str, str],
    sandbox_environment: Mapping[str, str] | None = None,
) -> Connection:
    """One connection of the owner; one made over the API comes before one that the operator has configured.

    Args:
        name: of the connection.
        project: where mappings and settings are.
        owner: whose.
        state: the owner's open state.
        schemas: canonical schemas.
        environment: the operator's variables, ENCRYPTION_KEY among them.
        sandbox_environment: the variables of a running sandbox, for the sandbox's owner.

    Raises:
        NotTheirs: the owner has none of that name.
        SettingsError: it cannot be used; NoKey and NotOpened are such.
        MappingErrors: the mapping, or the connection's own fields, are wrong.
    """
    kept = service_connections.get(state, name)
    if kept is not None:
        stored = service_connections.opened(kept, owner.name, Vault.of(environment))
        return resolve_stored(stored, project, owner, schemas, environment=environment)
    given = sandbox_environment if owner.name == SANDBOX_OWNER else None
    organisation = organisations.code_of(state)
    try:
        found = resolve(name, project, environment=_also(environment, organisation), sandbox_environment=given)
    except NoCredentials:
        raise NotTheirs(name, owner.name) from None
    if found.wire.kind == "table":
        return _own_table(found, owner, organisation)
    if found.owner.name != owner.name:
        raise NotTheirs(name, owner.name)
    return found


def _also(environment: Mapping[str, str], organisation: str | None) -> Mapping[str, str]:
    """The variables of an owner: one that is an organisation has its own users, whatever the operator has named."""
    return environment if organisation is None else {**environment, organisations.VARIABLE: organisation}


def _own_table(found: Connection, owner: Owner, organisation: str | None) -> Connection:
    """Everybody has the tables of what is entered here; of those of the whole service an organisation has its users."""
    if not _is_theirs(found, owner, organisation):
        raise NotTheirs(found.name, owner.name)
    return replace(found, owner=owner)


def _is_theirs(found: Connection, owner: Owner, organisation: str | None) -> bool:
    if found.owner.name == owner.name:
        return True
    is_of_service = found.mapping.connection.path is not None
    is_own_users = organisation is not None and found.wire.path == organisation
    return found.wire.kind == "table" and (not is_of_service or is_own_users)


def owned_names(
    project: Project,
    owner: Owner,
    state: State,
    environment: Mapping[str, str],
    sandbox_environment: Mapping[str, str] | None = None,
) -> list[str]:
    """Names of the owner's connections, our own tables among them; the operator's that cannot be used are left out."""
    found, organisation = set(made_by_users(state)), organisations.code_of(state)
    given = sandbox_environment if owner.name == SANDBOX_OWNER else None
    for name in connection_names(project):
        try:
            one = resolve(name, project, environment=_also(environment, organisation), sandbox_environment=given)
        except SettingsError:
            continue
        if stands_for(name, environment, project) is not None:
            continue
        found |= {name} if _is_theirs(one, owner, organisation) else set()
    return sorted(found)


def allowed_for(connections: list[Connection], environment: Mapping[str, str], by_users: set[str]) -> Allowed | None:
    """What a process that works on these may reach; None where nothing was named by a user."""
    if not by_users & {connection.name for connection in connections}:
        return None
    allowed = Allowed.of(environment)
    for connection in connections:
        if connection.name not in by_users:
            allowed = allowed.also(connection.wire.base_url)
    return allowed


@contextmanager
def open_owned(
    names: list[str], project: Project, owner_name: str, sandbox_environment: Mapping[str, str] | None = None
) -> Iterator[Session]:
    """The session of a process that works for one owner.

    Args:
        names: of connections, or `all`.
        project: where mappings and settings are.
        owner_name: whose connections.
        sandbox_environment: the variables of a running sandbox, for the sandbox's owner.

    Raises:
        Stop: the owner has none of these connections, or one cannot be used.
    """
    owner, schemas = Owner(owner_name, project.data_dir), load_schemas(project.schemas)
    environment = variables(project, os.environ)
    with open_state(owner) as state:
        by_users = made_by_users(state)
        emulated = sandbox_environment
        wanted = owned_names(project, owner, state, environment, emulated) if EVERYTHING in names else names
        found = [
            resolve_owned(n, project, owner, state, schemas, environment=environment, sandbox_environment=emulated)
            for n in wanted
        ]
    found = with_rows(found) if EVERYTHING in names else found
    if not found:
        raise Stop(Exit.WRONG_SETTINGS, f"owner {owner_name} has no connections")
    allowed = allowed_for(found, environment, set(by_users))
    if allowed is not None:
        guard_process(allowed)
    others = {name: unopened(kept, project, owner, schemas) for name, kept in by_users.items()}
    redactor = Redactor(secret for connection in found for secret in connection.secrets)
    with redactor.in_all_logs():
        yield Session(project, schemas, found, owner, emulated is not None, redactor, others)


def unopened(kept: service_connections.Kept, project: Project, owner: Owner, schemas: Schemas) -> Connection:
    """A connection whose raw log is all that is looked at."""
    mapping = load_overridden(project.mappings / f"{kept.provider}.yml", kept.field_mapping, schemas)
    return Connection(kept.provider, owner, mapping, kept.settings, False, mapping.connection)
