"""`crosswalk serve`: the HTTP service, until stopped."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from pipelines.commands.options import DataDir, Sandbox
from pipelines.connections.project import find_project

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: the system picks one")] = 8000,
    data_dir: DataDir = None,
    sandbox: Sandbox = False,
) -> None:
    """Serve user sync, the unified CRM, connectors, the external CRM and webhooks until stopped.

    Without any settings it serves the built-in sandbox, and prints a token and calls to try.
    """
    from pipelines.service import starting
    from pipelines.service.context import Context

    project = find_project(data_dir=data_dir)
    is_sandbox = sandbox or not starting.is_configured(project, os.environ)

    def announce(context: Context) -> None:
        if context.sandbox is not None:
            print(starting.welcome(context), flush=True)
        else:
            print(f"Crosswalk serves at {context.address} (ctrl-c ends it)", file=sys.stderr, flush=True)

    open_it = starting.open_sandbox if is_sandbox else starting.open_real
    starting.serve(open_it(project, os.environ), host, port, announce)
