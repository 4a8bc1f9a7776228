"""`crosswalk plan`: what a push would write, and why. Nothing is written, neither at the CRM nor here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.desk import open_desk, push_planner
from pipelines.commands.exits import Exit, Stop
from pipelines.commands.options import AllowMassChange, DataDir, ForOwner, Json, Limit, OneConnection, Only, Sandbox

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def plan(
    name: OneConnection,
    details: Annotated[bool, typer.Option("--details", help="Every record and field")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page that can be sent to a colleague")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write one line for each field")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Save the plan; crosswalk apply --plan FILE applies exactly it")
    ] = None,
    limit: Limit = None,
    only: Only = None,
    sandbox: Sandbox = False,
    owner: ForOwner = None,
    allow_mass_change: AllowMassChange = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show what a push would write, and why; nothing is written."""
    from pipelines.push import report
    from pipelines.push.plan import Pilot

    planner = push_planner(Pilot(limit, (only,) if only else ()), allow_mass_change=allow_mass_change)
    try:
        with open_desk(name, data_dir=data_dir, sandbox=sandbox, owner=owner, quiet=as_json) as desk:
            made = planner(desk)
    except Stop as stopped:
        print(stopped, file=sys.stderr)
        raise typer.Exit(stopped.code) from None
    if out:
        made.save(out)
    if html:
        html.write_text(report.as_html(made))
    if csv:
        csv.write_text(report.as_csv(made))
    if as_json:
        print(json.dumps(report.as_json(made, with_details=details), default=str))
    else:
        print(report.as_text(made, with_details=details))
    raise typer.Exit(Exit.GUARDED if made.guard else Exit.DONE)
