"""`crosswalk plan`: what a push would write, and why. Nothing is written, neither at the CRM nor here."""

from __future__ import annotations

import sys

import typer

from pipelines.commands.desk import open_desk, push_planner
from pipelines.commands.exits import Exit, Stop
from pipelines.commands.options import AllowMassChange, DataDir, ForOwner, Json, Limit, OneConnection, Only, Sandbox
from pipelines.commands.presenting import Csv, Details, Html, Out, Shape, present

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def plan(
    name: OneConnection,
    details: Details = False,
    html: Html = None,
    csv: Csv = None,
    out: Out = None,
    limit: Limit = None,
    only: Only = None,
    sandbox: Sandbox = False,
    owner: ForOwner = None,
    allow_mass_change: AllowMassChange = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show what a push would write, and why; nothing is written."""
    from pipelines.state.controls import Pilot

    planner = push_planner(
        Pilot(limit, (only,) if only else ()), allow_mass_change=allow_mass_change, is_known_there=True
    )
    try:
        with open_desk(name, data_dir=data_dir, sandbox=sandbox, owner=owner, quiet=as_json) as desk:
            made = planner(desk)
    except Stop as stopped:
        print(stopped, file=sys.stderr)
        raise typer.Exit(stopped.code) from None
    present(made, Shape(details, html, csv, out, as_json))
    raise typer.Exit(Exit.GUARDED if made.guard else Exit.DONE)
