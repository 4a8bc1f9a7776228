"""`crosswalk pilot`: for the time being, only some records of a connection are pushed."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pipelines.commands.exits import Exit
from pipelines.commands.options import DataDir, ForOwner, Limit, OneConnection, Sandbox
from pipelines.commands.switching import me, state_of

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def pilot(
    name: OneConnection,
    limit: Limit = None,
    only: Annotated[
        list[str] | None, typer.Option(help="This record (its id, or a golden id); may be given several times")
    ] = None,
    is_over: Annotated[bool, typer.Option("--off", help="The pilot is over: all records are pushed")] = False,
    sandbox: Sandbox = False,
    owner: ForOwner = None,
    data_dir: DataDir = None,
) -> None:
    """Push only these records, or so many, in every run until the pilot is over; plans show the others as blocked."""
    from pipelines.state import controls

    if not is_over and limit is None and not only:
        print("say --limit, --only, or --off", file=sys.stderr)
        raise typer.Exit(Exit.WRONG_SETTINGS)
    with state_of(name, data_dir, sandbox=sandbox, owner=owner) as state:
        if is_over:
            controls.end_pilot(state, name)
        else:
            controls.begin_pilot(state, name, controls.Pilot(limit, tuple(only or ())), me())
        kept = controls.pilot(state, name)
    print(f"{name}: {'all records are pushed' if kept is None else kept.says}")
