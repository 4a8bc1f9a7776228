"""`crosswalk apply`: writes what the plan says, now or as it was saved."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.desk import carry_out, push_planner
from pipelines.commands.exits import Exit, Stop
from pipelines.commands.options import AllowMassChange, DataDir, ForOwner, Json, Limit, OneConnection, Only, Sandbox
from pipelines.commands.report import show

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def apply(
    name: OneConnection,
    plan: Annotated[Path | None, typer.Option(help="Exactly this saved plan (crosswalk plan --out)")] = None,
    limit: Limit = None,
    only: Only = None,
    sandbox: Sandbox = False,
    owner: ForOwner = None,
    allow_mass_change: AllowMassChange = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Push: write what the plan says, record by record, and remember what became of each."""
    from pipelines.push.planned import PlanError, load_plan
    from pipelines.state.controls import Pilot

    pilot = Pilot(limit, (only,) if only else ())
    try:
        if plan and pilot != Pilot():
            raise PlanError("--plan applies exactly what was saved: --limit and --only belong to crosswalk plan --out")
        saved = load_plan(plan) if plan else None
        planner = (
            (lambda _: saved)
            if saved
            else push_planner(pilot, allow_mass_change=allow_mass_change, is_known_there=True)
        )
        report, code = carry_out(
            name,
            planner,
            data_dir=data_dir,
            sandbox=sandbox,
            owner=owner,
            quiet=as_json,
            allow_mass_change=allow_mass_change,
        )
    except (Stop, PlanError) as stopped:
        print(stopped, file=sys.stderr)
        raise typer.Exit(stopped.code if isinstance(stopped, Stop) else Exit.WRONG_SETTINGS) from None
    show(report, as_json=as_json, exit_code=code)
    raise typer.Exit(code)
