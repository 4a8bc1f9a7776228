"""`crosswalk restore FILE`: a backup back in its place."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.exits import Exit, Stop
from pipelines.commands.options import DataDir
from pipelines.connections.locks import LockHeld
from pipelines.connections.project import find_project

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that crosswalk backup wrote")],
    force: Annotated[bool, typer.Option("--force", help="Move aside what is there now")] = False,
    data_dir: DataDir = None,
) -> None:
    """Put a backup back; the service must not run. The next run makes the warehouse anew.

    Who was forgotten since the backup was made is taken out of it, as far as this data knows of it: with an empty data
    folder nobody does, so restore the newest backup there.
    """
    from pipelines.commands.restoring import restore as put_back

    try:
        done = put_back(find_project(data_dir=data_dir), file, force=force)
    except (Stop, LockHeld) as stopped:
        print(str(stopped), file=sys.stderr)
        raise typer.Exit(stopped.exit_code) from None
    print(f"restored {', '.join(done.owners)}")
    if done.forgotten:
        print(f"{done.forgotten} records in it were forgotten since, and are left out; the next run publishes again")
    raise typer.Exit(Exit.DONE)
