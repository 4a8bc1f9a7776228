"""`crosswalk retry`: failed and dead writes are tried again at the next push."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import DataDir
from pipelines.commands.owners import owners_with_state

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def retry(
    name: Annotated[str | None, typer.Argument(help="A connection by name; default: all")] = None,
    intent: Annotated[list[str] | None, typer.Option(help="Only this write; may be given several times")] = None,
    data_dir: DataDir = None,
) -> None:
    """Try failed and dead writes again at the next push, whatever their delay."""
    from pipelines.state import intents
    from pipelines.state.database import open_state

    number = 0
    for owner in owners_with_state(data_dir):
        with open_state(owner) as state:
            number += intents.retry(state, name, intent)
    print(f"{number} writes will be tried again at the next push")
