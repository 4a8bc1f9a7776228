"""`crosswalk backup FILE`: everything that cannot be derived, in one file."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.exits import Exit, Stop
from pipelines.commands.options import DataDir, Json
from pipelines.connections.locks import LockHeld
from pipelines.connections.project import find_project

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def backup(
    file: Annotated[Path | None, typer.Argument(help="Where to; a folder gets a file named by the time")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Write states, raw logs, what is published, mappings and settings into one file; runs are waited for.

    Secrets (.dlt/secrets.toml, ENCRYPTION_KEY) are not in it: keep them elsewhere, the credentials in it need that key.
    """
    from pipelines.commands.backing_up import backup as back_up

    target = file or Path.cwd()
    if target.is_dir():
        target = target / f"crosswalk-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar.gz"
    try:
        done = back_up(find_project(data_dir=data_dir), target)
    except (Stop, LockHeld) as stopped:
        print(str(stopped), file=sys.stderr)
        raise typer.Exit(stopped.exit_code) from None
    if as_json:
        print(json.dumps({"path": str(done.path), "owners": done.owners, "files": done.files, "size": done.size}))
    else:
        print(f"{done.path}: {', '.join(done.owners)}, {done.files} files, {done.size / 1e6:,.1f} MB")
    raise typer.Exit(Exit.DONE)
