"""`crosswalk run`, and so `python pipelines/run.py`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pipelines.commands.exits import Exit, Stop
from pipelines.commands.options import AllowMassChange, Connections, DataDir, ForOwner, Json, Limit, Only, Sandbox
from pipelines.commands.report import show
from pipelines.commands.run_options import STAGES, RunOptions
from pipelines.commands.running import run as run_connections

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def run(
    names: Connections = None,
    full_refresh: Annotated[bool, typer.Option("--full-refresh", help="Read everything again")] = False,
    stages: Annotated[str, typer.Option(help=f"Only these, by comma: {','.join(STAGES)}")] = ",".join(STAGES),
    push: Annotated[
        str | None, typer.Option(help="plan, apply or off; default: plan on a real CRM, apply in the sandbox")
    ] = None,
    limit: Limit = None,
    only: Only = None,
    sandbox: Sandbox = False,
    owner: ForOwner = None,
    allow_mass_change: AllowMassChange = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Take connections the whole way: pull, translate, unify, check, publish, push."""
    try:
        if not names:
            raise Stop(Exit.WRONG_SETTINGS, "name a connection, several, or all (crosswalk show lists them)")
        options = RunOptions(
            names, data_dir, sandbox, full_refresh, _stages(stages), _push(push), limit, only,
            allow_mass_change, quiet=as_json, owner=owner,
        )  # fmt: skip
        report, code = run_connections(options)
    except Stop as stopped:
        print(stopped.message, file=sys.stderr)
        raise typer.Exit(stopped.code) from None
    show(report, as_json=as_json, exit_code=code)
    raise typer.Exit(code)


def _stages(said: str) -> frozenset[str]:
    asked = {word.strip() for word in said.split(",") if word.strip()}
    if wrong := asked - set(STAGES):
        raise Stop(Exit.WRONG_SETTINGS, f"--stages: unknown {', '.join(sorted(wrong))}; there are {', '.join(STAGES)}")
    return frozenset(asked)


def _push(said: str | None) -> str | None:
    if said not in (None, "plan", "apply", "off"):
        raise Stop(Exit.WRONG_SETTINGS, f"--push: {said!r}; use plan, apply or off")
    return said
