"""`crosswalk sandbox`: serves the built-in CRMs until stopped."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import DataDir
from pipelines.connections.project import find_project
from pipelines.connections.resolve import SANDBOX_OWNER

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def sandbox(
    data_dir: DataDir = None,
    port: Annotated[int, typer.Option(help="0: the system picks one")] = 0,
    crm: Annotated[list[str] | None, typer.Option(help="Only this CRM; may be given several times")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the world")] = None,
    size: Annotated[int | None, typer.Option(help="People in the world")] = None,
    latency_ms: Annotated[float, typer.Option(help="Added to every call")] = 0,
    enforce_limits: Annotated[bool, typer.Option("--enforce-limits", help="The vendors' limits hold")] = False,
) -> None:
    """Serve the built-in CRMs until stopped; prints what to export to use them."""
    from pipelines.sandbox.__main__ import main

    words = ["--data-dir", str(find_project(data_dir=data_dir).data_dir / SANDBOX_OWNER), "--port", str(port)]
    words += [w for name in crm or [] for w in ("--crm", name)]
    words += [
        w for name, value in (("--seed", seed), ("--size", size)) if value is not None for w in (name, str(value))
    ]
    words += ["--latency-ms", str(latency_ms), *(["--enforce-limits"] if enforce_limits else [])]
    raise typer.Exit(main(words))
