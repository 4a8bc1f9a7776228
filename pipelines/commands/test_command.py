"""`crosswalk test CONNECTION`: log in, read one record."""

from __future__ import annotations

import json
import sys

import typer

from pipelines.commands.exits import Exit, Stop
from pipelines.commands.failures import describe
from pipelines.commands.options import DataDir, ForOwner, Json, OneConnection, Sandbox
from pipelines.commands.session import open_session

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def test(
    name: OneConnection,
    sandbox: Sandbox = False,
    owner: ForOwner = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Log in to a CRM and read one record."""
    from pipelines.extract.probe import probe

    try:
        with open_session([name], data_dir=data_dir, sandbox=sandbox, owner=owner, quiet=as_json) as session:
            connection = session.connections[0]
            try:
                found = probe(connection)
            except Exception as problem:  # noqa: BLE001 - told in one line, without secrets
                raise Stop(*describe(problem, connection)) from None
    except Stop as stopped:
        if as_json:
            print(json.dumps({"success": False, "error": stopped.message}))
        else:
            print(stopped.message, file=sys.stderr)
        raise typer.Exit(stopped.code) from None
    if as_json:
        print(json.dumps({"success": True, "latency_ms": found.latency_ms}))
    else:
        print(f"[{connection.mapping.label}] login works; {found.what} answered in {found.latency_ms} ms")
    raise typer.Exit(Exit.DONE)
