"""`crosswalk never`: records of a connection that are never written."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import DataDir, ForOwner, OneConnection, Sandbox
from pipelines.commands.switching import me, state_of

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def never(
    name: OneConnection,
    entity: Annotated[str, typer.Argument(help="Such as contacts")],
    ids: Annotated[list[str], typer.Argument(help="Ids at the CRM")],
    why: Annotated[str, typer.Option(help="Shown in plans")] = "by an operator",
    is_over: Annotated[bool, typer.Option("--off", help="These may be written again")] = False,
    sandbox: Sandbox = False,
    owner: ForOwner = None,
    data_dir: DataDir = None,
) -> None:
    """Never write these records of a connection, until they are taken off the list with --off."""
    from pipelines.state import controls

    with state_of(name, data_dir, sandbox=sandbox, owner=owner) as state:
        for one in ids:
            if is_over:
                controls.again(state, name, entity, one)
            else:
                controls.never(state, name, entity, one, why=why, who=me())
        listed = len(controls.never_synced(state, name, entity))
    print(f"{name}: {listed or 'no'} {entity} are never synced")
