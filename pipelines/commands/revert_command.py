"""`crosswalk revert RUN CONNECTION`: a plan back to the values of before, shown, and with --apply carried out."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.desk import Desk, carry_out, open_desk
from pipelines.commands.exits import Exit, Stop
from pipelines.commands.options import AllowMassChange, DataDir, ForOwner, Json, OneConnection, Sandbox
from pipelines.commands.report import show

if TYPE_CHECKING:
    from pipelines.push.planned import Plan

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def revert(
    run_id: Annotated[str, typer.Argument(help="The run to undo; crosswalk show lists them")],
    name: OneConnection,
    is_applied: Annotated[
        bool, typer.Option("--apply", help="Carry it out; without it the plan is only shown")
    ] = False,
    archive_created: Annotated[
        bool, typer.Option("--archive-created", help="Also delete what the run created")
    ] = False,
    sandbox: Sandbox = False,
    owner: ForOwner = None,
    allow_mass_change: AllowMassChange = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Undo what a run wrote to a connection; what was edited since is left and listed."""
    from pipelines.push import report as plan_report
    from pipelines.push.revert import revert as plan_back

    def back(desk: Desk) -> Plan:
        return plan_back(
            run_id, desk.connection, desk.con, desk.state, desk.session.schemas, archive_created=archive_created
        )

    try:
        if not is_applied:
            with open_desk(name, data_dir=data_dir, sandbox=sandbox, owner=owner, quiet=as_json) as desk:
                made = back(desk)
            print(json.dumps(plan_report.as_json(made)) if as_json else plan_report.as_text(made, with_details=True))
            raise typer.Exit(Exit.DONE)
        report, code = carry_out(
            name,
            back,
            data_dir=data_dir,
            sandbox=sandbox,
            owner=owner,
            quiet=as_json,
            allow_mass_change=allow_mass_change,
        )
    except Stop as stopped:
        print(stopped, file=sys.stderr)
        raise typer.Exit(stopped.code) from None
    show(report, as_json=as_json, exit_code=code)
    raise typer.Exit(code)
