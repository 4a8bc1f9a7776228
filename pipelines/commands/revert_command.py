"""`crosswalk revert RUN`: a plan back to the values of before, shown, and with --apply carried out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.desk import Desk, carry_out, open_desk
from pipelines.commands.exits import Exit, Stop, worst
from pipelines.commands.options import AllowMassChange, DataDir, ForOwner, Json, Sandbox
from pipelines.commands.owners import owners_with_state
from pipelines.commands.presenting import Csv, Details, Html, Out, Shape, present
from pipelines.commands.report import show
from pipelines.connections.resolve import DEFAULT_OWNER, SANDBOX_OWNER

if TYPE_CHECKING:
    from pipelines.push.planned import Plan

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def revert(
    run_id: Annotated[str, typer.Argument(help="The run to undo; crosswalk show lists them")],
    name: Annotated[str | None, typer.Argument(help="A connection by name; default: the one the run wrote to")] = None,
    is_applied: Annotated[
        bool, typer.Option("--apply", help="Carry it out; without it the plan is only shown")
    ] = False,
    archive_created: Annotated[
        bool, typer.Option("--archive-created", help="Also delete what the run created")
    ] = False,
    details: Details = True,
    html: Html = None,
    csv: Csv = None,
    out: Out = None,
    sandbox: Sandbox = False,
    owner: ForOwner = None,
    allow_mass_change: AllowMassChange = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Undo what a run wrote; what was edited since is left and listed."""
    from pipelines.push.revert import revert as plan_back

    def back(desk: Desk) -> Plan:
        return plan_back(
            run_id, desk.connection, desk.con, desk.state, desk.session.schemas,
            archive_created=archive_created, allow_mass_change=allow_mass_change,
        )  # fmt: skip

    codes = [Exit.DONE]
    try:
        written = _written(run_id, name, owner, data_dir)
        if len(written) > 1 and (as_json or out or html or csv):
            said = f"the run wrote to several connections: name one of {', '.join(one for _, one in written)}"
            raise Stop(Exit.WRONG_SETTINGS, said)
        for whose, one in written:
            is_sandbox = sandbox or whose == SANDBOX_OWNER
            of_owner = None if is_sandbox or whose == DEFAULT_OWNER else whose
            if is_applied:
                report, code = carry_out(
                    one, back, data_dir=data_dir, sandbox=is_sandbox, owner=of_owner, quiet=as_json,
                    allow_mass_change=allow_mass_change,
                )  # fmt: skip
                show(report, as_json=as_json, exit_code=code)
                codes.append(code)
            else:
                with open_desk(one, data_dir=data_dir, sandbox=is_sandbox, owner=of_owner, quiet=as_json) as desk:
                    made = back(desk)
                present(made, Shape(details, html, csv, out, as_json))
                codes += [Exit.GUARDED] if made.guard else []
        if not written:
            print(f"run {run_id} wrote nothing to any CRM")
    except Stop as stopped:
        print(stopped, file=sys.stderr)
        raise typer.Exit(stopped.code) from None
    raise typer.Exit(worst(codes))


def _written(run_id: str, name: str | None, owner: str | None, data_dir: Path | None) -> list[tuple[str, str]]:
    """Whose connections the run wrote to, by owner and name; one that was asked for in any case.

    Raises:
        Stop: nobody has such a run.
    """
    from pipelines.state import runs
    from pipelines.state.database import open_state

    near: list[str] = []
    for one in owners_with_state(data_dir):
        if owner in (None, one.name):
            with open_state(one) as state:
                if runs.is_known(state, run_id):
                    return [(one.name, found) for found in ([name] if name else runs.wrote_to(state, run_id))]
                near += runs.near(state, run_id)
    like = f"; the nearest: {', '.join(near)}" if near else ": there was none yet"
    raise Stop(Exit.WRONG_SETTINGS, f"there is no run {run_id}{like}")
