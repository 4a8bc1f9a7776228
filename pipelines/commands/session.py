"""Which connections a command is about, and the sandbox where no CRM is configured."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.commands.exits import Exit, Stop
from pipelines.connections.by_address import stands_for
from pipelines.connections.connection import Connection, Settings
from pipelines.connections.errors import NoCredentials, SettingsError
from pipelines.connections.owner import Owner
from pipelines.connections.project import Project, find_project
from pipelines.connections.redact import Redactor
from pipelines.connections.resolve import SANDBOX_OWNER, connection_names, resolve
from pipelines.connections.settings import connection_settings, variables
from pipelines.connections.variables import Filler
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.mapping.load import load_mapping, load_schemas
from pipelines.mapping.problems import MappingErrors

if TYPE_CHECKING:
    from pipelines.sandbox.handle import SandboxHandle
    from pipelines.state.database import State

EVERYTHING = "all"


@dataclass
class Session:
    """What a command works on. All connections belong to one owner."""

    project: Project
    schemas: dict[str, CanonicalEntity]
    connections: list[Connection]
    owner: Owner
    is_sandbox: bool
    redactor: Redactor = field(default_factory=Redactor)
    others: dict[str, Connection] = field(default_factory=dict)
    """The owner's connections that were made over the API, without credentials."""


@contextmanager
def open_session(
    names: list[str], *, data_dir: Path | None, sandbox: bool, quiet: bool, owner: str | None = None
) -> Iterator[Session]:
    """Resolves the connections; starts the sandbox, or finds a running one, where there are no credentials.

    Args:
        names: of connections, or `all`.
        data_dir: where the owners' folders are.
        sandbox: use the emulated CRMs in any case.
        quiet: say nothing.
        owner: only this owner's connections, those made over the API among them; only the owner `sandbox` then has
            emulated ones.

    Raises:
        Stop: wrong settings or mappings (all of them named), or connections of several owners.
    """
    handle = None
    try:
        project = find_project(data_dir=data_dir)
        if owner is not None:
            from pipelines.commands.owned import open_owned

            handle = _sandbox(project, names, quiet=True) if owner == SANDBOX_OWNER else None
            emulated = None if handle is None else emulated_variables(handle)
            with open_owned(names, project, owner, emulated) as session:
                yield session
            return
        found = [] if sandbox else _real(names, project)
        if not found:
            handle = _sandbox(project, names, quiet=quiet)
            found = _emulated(names, project, handle)
        owners = {c.owner.name: c.owner for c in found}
        if len(owners) > 1:
            raise Stop(
                Exit.WRONG_SETTINGS, f"these connections have several owners ({', '.join(owners)}): run each alone"
            )
        redactor = Redactor(secret for c in found for secret in c.secrets)
        with redactor.in_all_logs():
            yield Session(project, load_schemas(project.schemas), found, found[0].owner, handle is not None, redactor)
    except (SettingsError, MappingErrors) as problem:
        raise Stop(Exit.WRONG_SETTINGS, str(problem)) from None
    finally:
        if handle is not None:
            handle.stop()


@contextmanager
def open_state_of(session: Session) -> Iterator[State]:
    """The owner's state.

    Raises:
        Stop: a newer program has written it.
    """
    from pipelines.state.database import open_state
    from pipelines.state.version import NewerStateError

    try:
        state = open_state(session.owner)
    except NewerStateError as problem:
        raise Stop(Exit.WRONG_SETTINGS, str(problem)) from None
    with state:
        yield state


def _real(names: list[str], project: Project) -> list[Connection]:
    """The connections that have credentials; those asked for by name must have them all, or none of them any."""
    wanted = connection_names(project) if EVERYTHING in names else names
    if EVERYTHING in names:
        given = variables(project, os.environ)
        wanted = [name for name in wanted if stands_for(name, given, project) is None]
    found, without = [], []
    for name in wanted:
        try:
            found.append(resolve(name, project))
        except NoCredentials as problem:
            without.append(problem)
    if found and without and EVERYTHING not in names:
        raise Stop(Exit.WRONG_SETTINGS, "\n".join(str(problem) for problem in without))
    if EVERYTHING not in names:
        return found
    # our own tables need no credentials, so they alone do not say that a CRM is configured
    return with_rows(found) if any(c.wire.kind != "table" for c in found) else []


def with_rows(connections: list[Connection]) -> list[Connection]:
    """Without our own tables that hold nothing and never did."""
    if not any(c.wire.kind == "table" for c in connections):
        return connections
    from pipelines.extract.tables import has_rows

    return [c for c in connections if c.wire.kind != "table" or c.owner.raw(c.name).exists() or has_rows(c)]


def _emulated(names: list[str], project: Project, handle: SandboxHandle) -> list[Connection]:
    """The connections that an emulated CRM has variables for; two mappings of one CRM share them."""
    mappings = sorted(path.stem for path in project.mappings.glob("*.yml"))
    given = emulated_variables(handle)
    found = []
    for name in mappings if EVERYTHING in names else names:
        try:
            found.append(resolve(name, project, sandbox_environment=given))
        except NoCredentials:
            if EVERYTHING not in names:
                said = f"{name}: has no credentials, and no sandbox; set its credentials"
                raise Stop(Exit.WRONG_SETTINGS, said) from None
    return with_rows(found) if EVERYTHING in names else found


def emulated_variables(handle: SandboxHandle) -> dict[str, str]:
    """What makes connections use the emulated CRMs."""
    return {key: value for crm in handle.crms for key, value in handle.environment(crm).items()}


def _sandbox(project: Project, names: list[str], *, quiet: bool) -> SandboxHandle:
    from pipelines.sandbox.handle import use

    handle = use(project.data_dir / SANDBOX_OWNER)
    if not quiet:
        told = "all connections" if EVERYTHING in names else ", ".join(names)
        where = f"owner {SANDBOX_OWNER}, data/{SANDBOX_OWNER}/"
        print(f"No credentials for {told}: using the built-in sandbox ({where}) at {handle.address}", file=sys.stderr)
    return handle


def all_connections(session: Session) -> list[Connection]:
    """The connections asked for, and all others of the owner that have been read before.

    The others need no credentials here: their raw log is all that is looked at, with their currency, region and time
    zone as they are whenever they are asked for.
    """
    asked = {c.name: c for c in session.connections}
    read = {path.stem for path in session.owner.raw("x").parent.glob("*.duckdb")}
    asked = {**{name: c for name, c in session.others.items() if name in read}, **asked}
    settings = connection_settings(session.project)
    for path in sorted(session.owner.raw("x").parent.glob("*.duckdb")):
        name = path.stem
        said = settings.get(name) or Settings.model_validate({})
        mapping_file = session.project.mappings / f"{said.mapping or name}.yml"
        if name not in asked and mapping_file.is_file():
            mapping = load_mapping(mapping_file, session.schemas)
            filler = Filler(name, mapping.crm, {} if session.is_sandbox else variables(session.project, os.environ))
            words = {key: word for key, word in mapping.connection.model_dump().items() if isinstance(word, str)}
            wire = mapping.connection.model_copy(update=filler.fill(words))
            asked[name] = Connection(name, session.owner, mapping, said, session.is_sandbox, wire)
    return [asked[name] for name in sorted(asked)]
