"""`crosswalk failures`: writes that did not come through, why, and what happens next."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from pipelines.commands.options import DataDir, Json
from pipelines.commands.owners import owners_with_state

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def failures(
    name: Annotated[str | None, typer.Argument(help="A connection by name; default: all")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List writes that did not come through, and why."""
    from pipelines.state import intents
    from pipelines.state.database import open_state

    found = []
    for owner in owners_with_state(data_dir):
        with open_state(owner) as state:
            found += [{"owner": owner.name, **row} for row in intents.failures(state, name)]
    if as_json:
        print(json.dumps(found, default=str))
        return
    for row in found:
        what = row["record_key"] or row["golden_id"]
        print(
            f"{row['status']:<9} {row['connection']} {row['entity']} {what}: {row['error']} (attempt {row['attempt']})"
        )
    print(f"{len(found) or 'no'} open failures")
