"""`crosswalk tidy`: retention."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import Annotated

import typer

from pipelines.commands.exits import Exit
from pipelines.commands.options import DataDir, Json
from pipelines.commands.owners import owners_in
from pipelines.connections.owner import SERVICE_OWNER
from pipelines.connections.project import find_project
from pipelines.connections.settings import variables

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def tidy(
    owner: Annotated[str | None, typer.Option("--owner", help="Only this owner's data; default: everybody's")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Drop what is no longer needed, as KEEP_RAW_DAYS, KEEP_PUBLISHED and KEEP_HISTORY_DAYS say.

    Old versions of a record go only where no edit time depends on them. The service does this once a day by itself.
    """
    from pipelines.commands.tidying import Keep, Tidied, tidy_store
    from pipelines.commands.tidying import tidy as tidy_owner
    from pipelines.service.settings import from_environment

    said = from_environment(variables(find_project(data_dir=data_dir), os.environ))
    keep = Keep(said.keep_raw_days, said.keep_published, said.keep_history_days)
    done: dict[str, Tidied] = {}
    for one in owners_in(find_project(data_dir=data_dir).data_dir):
        if one.name == SERVICE_OWNER:
            done[one.name] = Tidied(rows=tidy_store(one, keep)) if owner is None else Tidied()
        elif owner in (None, one.name):
            done[one.name] = tidy_owner(one, keep)
    if as_json:
        print(json.dumps({"exit_code": 0, "owners": {name: asdict(found) for name, found in done.items()}}))
    else:
        for name, found in done.items():
            print(f"{name}: {found.versions} versions, {found.files} files, {found.rows} rows dropped")
            print("".join(f"  left alone: {busy}\n" for busy in found.busy), end="")
    raise typer.Exit(Exit.DONE)
