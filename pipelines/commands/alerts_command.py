"""`crosswalk alerts`: for whoever runs from cron; the service does it by itself after every job."""

from __future__ import annotations

import os
import sys

import typer

from pipelines.commands.exits import Exit
from pipelines.commands.options import DataDir
from pipelines.commands.owners import owners_with_state
from pipelines.connections.project import find_project
from pipelines.connections.settings import variables

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def alerts(data_dir: DataDir = None) -> None:
    """Tell the operator, once for each opening, of failed syncs, guards, failed checks, and lost writes.

    To ALERT_WEBHOOK_URL, or by SMTP_HOST to ALERT_EMAIL; without either they are printed.
    """
    from pipelines.service.alerts import NotSent, is_configured, look, send
    from pipelines.service.settings import from_environment
    from pipelines.state.database import open_state
    from pipelines.state.notices import close

    settings = from_environment(variables(find_project(data_dir=data_dir), os.environ))
    code = Exit.DONE
    for owner in owners_with_state(data_dir):
        with open_state(owner) as state:
            for alert in look(state):
                print(f"{owner.name}: {alert.text}")
                try:
                    if is_configured(settings):
                        send(settings, alert)
                except NotSent as problem:
                    close(state, alert.key)  # nobody heard of it: the next call tells it again
                    print(str(problem), file=sys.stderr)
                    code = Exit.CRM_FAILED
    raise typer.Exit(code)
