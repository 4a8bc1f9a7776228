"""`crosswalk retry`: failed and dead writes are tried again at the next push, webhooks that were set aside soon."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import DataDir
from pipelines.commands.owners import owners_with_state, service_in
from pipelines.connections.project import find_project

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def retry(
    name: Annotated[str | None, typer.Argument(help="A connection by name; default: all")] = None,
    intent: Annotated[list[str] | None, typer.Option(help="Only this write; may be given several times")] = None,
    data_dir: DataDir = None,
) -> None:
    """Try failed and dead writes again at the next push, whatever their delay.

    Without --intent also the webhooks that nobody could map: the service takes them up within five minutes.
    """
    from pipelines.state import intents, set_aside
    from pipelines.state.database import open_state

    number = 0
    for owner in owners_with_state(data_dir):
        with open_state(owner) as state:
            number += intents.retry(state, name, intent)
    print(f"{number} writes will be tried again at the next push")
    service = service_in(find_project(data_dir=data_dir).data_dir)
    if service is not None and not intent:
        with open_state(service) as store:
            print(f"{set_aside.try_again(store, name=name)} webhooks will be taken in again")
