"""Options that several commands share, so that they are named and explained once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", envvar="CROSSWALK_DATA_DIR", help="Where data lives; default: data/ in the project"),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object")]
Sandbox = Annotated[bool, typer.Option("--sandbox", help="Use the built-in CRMs even where credentials are set")]
Connections = Annotated[list[str] | None, typer.Argument(help="Connections by name, or all")]
OneConnection = Annotated[str, typer.Argument(help="A connection by name")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Pilot: at most this many records of an entity")]
Only = Annotated[str | None, typer.Option("--only", help="Pilot: only the record with this id at the CRM")]
AllowMassChange = Annotated[bool, typer.Option("--allow-mass-change", help="Go on although the plan goes over a guard")]
ForOwner = Annotated[
    str | None, typer.Option("--owner", help="Only this owner's connections, those made over the service among them")
]
