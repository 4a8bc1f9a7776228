"""`crosswalk forget ID`: erase a person."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from pipelines.commands.exits import Exit, Stop
from pipelines.commands.options import DataDir, Json
from pipelines.commands.owners import owner_with_data
from pipelines.connections.locks import LockHeld
from pipelines.connections.project import find_project

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def forget(
    which: Annotated[str, typer.Argument(help="A golden id, or <connection>:<id at the CRM>")],
    owner: Annotated[str | None, typer.Option("--owner", help="Whose data; default: the owner that has some")] = None,
    entity: Annotated[str, typer.Option(help="What it is the id of")] = "contacts",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Erase a person here: history, warehouse, ledger, published files, search. What the CRMs hold stays there.

    A keyed hash of each record is kept, so that the next pull does not bring the person back. Backups that were made
    before still hold them, until they are restored. Other records that speak of them are listed, and stay as they are.
    """
    from pipelines.commands.forgetting import forget as erase

    try:
        project = find_project(data_dir=data_dir)
        whose = owner_with_data(project, owner)
        if not yes and not typer.confirm(f"Erase {which} of owner {whose.name}? This cannot be undone", err=True):
            raise Stop(Exit.WRONG_SETTINGS, "nothing was erased")
        found = erase(project, whose, which, entity)
    except (Stop, LockHeld) as stopped:
        print(str(stopped), file=sys.stderr)
        raise typer.Exit(stopped.exit_code) from None
    if as_json:
        counted: dict[str, object] = {"mentions": found.mentions}
        counted |= {"records": len(found.records), "versions": found.versions, "rows": found.rows}  # and nobody's id
        print(json.dumps({"exit_code": int(found.code), "messages": found.messages, **counted}))
    else:
        print(f"erased {', '.join(found.records)}: {found.versions} versions, {found.rows} rows of the state")
        print("".join(f"{line}\n" for line in [*found.messages, *_told(found.mentions)]), end="")
    raise typer.Exit(found.code)


def _told(mentions: list[str]) -> list[str]:
    if not mentions:
        return []
    said = f"{len(mentions)} other records still say their name, e-mail address or telephone number:"
    return [said, *(f"  {one}" for one in mentions)]
