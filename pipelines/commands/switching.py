"""The operator's switches of one connection: whose state they are kept in, and who set them."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipelines.commands.exits import Exit
from pipelines.connections.errors import NoCredentials, SettingsError
from pipelines.connections.owner import Owner
from pipelines.connections.project import find_project
from pipelines.connections.resolve import SANDBOX_OWNER, resolve
from pipelines.mapping.problems import MappingErrors

if TYPE_CHECKING:
    from pipelines.state.database import State


@contextmanager
def state_of(name: str, data_dir: Path | None, *, sandbox: bool, owner: str | None) -> Iterator[State]:
    """The state of the connection's owner: of the sandbox where it has no credentials.

    Raises:
        typer.Exit: there is no such connection.
    """
    from pipelines.state.database import open_state

    project = find_project(data_dir=data_dir)
    whose = SANDBOX_OWNER if sandbox else owner
    if whose is None:
        try:
            whose = resolve(name, project).owner.name
        except NoCredentials:
            whose = SANDBOX_OWNER
        except (SettingsError, MappingErrors) as problem:
            print(problem, file=sys.stderr)
            raise typer.Exit(Exit.WRONG_SETTINGS) from None
    with open_state(Owner(whose, project.data_dir)) as state:
        yield state


def me() -> str:
    """Who is at the keyboard, as the state remembers it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "operator"
