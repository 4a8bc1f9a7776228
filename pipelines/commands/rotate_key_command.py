"""`crosswalk rotate-key`: seals every stored set of credentials with the current ENCRYPTION_KEY."""

from __future__ import annotations

import json
import os
import sys

import typer

from pipelines.commands.exits import Exit
from pipelines.commands.options import DataDir, Json
from pipelines.commands.owners import owners_with_state
from pipelines.connections.errors import SettingsError
from pipelines.connections.owner import Owner
from pipelines.connections.project import find_project
from pipelines.connections.settings import variables
from pipelines.connections.vault import NotOpened, Vault

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command("rotate-key")
def rotate_key(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Seal stored credentials anew: ENCRYPTION_KEY is the new key, ENCRYPTION_KEY_OLD holds the former ones."""
    try:
        vault = Vault.of(variables(find_project(data_dir=data_dir), os.environ))
    except SettingsError as problem:
        print(problem, file=sys.stderr)
        raise typer.Exit(Exit.WRONG_SETTINGS) from None
    renewed, current, lost = 0, 0, list[str]()
    for owner in owners_with_state(data_dir):
        one = rotate(owner, vault)
        renewed, current, lost = renewed + one[0], current + one[1], [*lost, *one[2]]
    if as_json:
        print(json.dumps({"renewed": renewed, "current": current, "lost": lost, "key_id": vault.current}))
    else:
        print(f"{renewed} sets of credentials sealed with key {vault.current}; {current} were already")
        for text in lost:
            print(text, file=sys.stderr)
    raise typer.Exit(Exit.WRONG_SETTINGS if lost else Exit.DONE)


def rotate(owner: Owner, vault: Vault) -> tuple[int, int, list[str]]:
    """Seals an owner's sets anew: how many were, how many had the current key already, and which cannot be opened.

    A set that its user replaces meanwhile is left as it is: it has the current key.
    """
    from pipelines.state import service_connections
    from pipelines.state.database import open_state

    renewed, current, lost = 0, 0, []
    with open_state(owner) as state:
        for kept in service_connections.load(state):
            if kept.sealed.key_id == vault.current:
                current += 1
                continue
            try:
                credentials = vault.open(owner.name, kept.provider, kept.sealed)
            except NotOpened as problem:
                lost.append(f"{owner.name}: {problem}")
                continue
            anew = vault.seal(owner.name, kept.provider, credentials)
            renewed += service_connections.reseal(state, kept.provider, kept.sealed, anew)
    return renewed, current, lost
