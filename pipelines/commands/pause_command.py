"""`crosswalk pause`: nothing is written to a connection until it is resumed."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import DataDir, ForOwner, OneConnection, Sandbox
from pipelines.commands.switching import me, state_of

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def pause(
    name: OneConnection,
    why: Annotated[str, typer.Option(help="Shown in plans and to whoever tries to push")] = "by an operator",
    is_over: Annotated[bool, typer.Option("--off", help="Resume: pushes go on")] = False,
    sandbox: Sandbox = False,
    owner: ForOwner = None,
    data_dir: DataDir = None,
) -> None:
    """Write nothing to a connection until it is resumed with --off; plans go on and say so."""
    from pipelines.state import controls

    with state_of(name, data_dir, sandbox=sandbox, owner=owner) as state:
        if is_over:
            controls.resume(state, name)
        else:
            controls.pause(state, name, why, me())
    print(f"{name}: {'pushes go on' if is_over else f'paused: {why}'}")
