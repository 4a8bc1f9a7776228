"""`crosswalk new CRM sample.json`: a first mapping from a sample of records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.exits import Exit
from pipelines.connections.project import find_project

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def new(
    crm: Annotated[str, typer.Argument(help="Name of the CRM: lower case, digits, underscores")],
    sample: Annotated[Path, typer.Argument(help="JSON (a list, lines, or an API's answer) or CSV", exists=True)],
    print_only: Annotated[bool, typer.Option("--print", help="Print the draft instead of writing it")] = False,
) -> None:
    """Draft mappings/CRM.yml from a sample of the CRM's records."""
    from pipelines.mapping.sample import first_mapping

    try:
        text = first_mapping(crm, sample)
    except ValueError as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(Exit.WRONG_SETTINGS) from None
    if print_only:
        print(text, end="")
        return
    path = find_project().mappings / f"{crm}.yml"
    if path.exists():
        typer.echo(f"mappings/{path.name} is there already; remove it, or use --print", err=True)
        raise typer.Exit(Exit.WRONG_SETTINGS)
    path.write_text(text)
    print(f"wrote mappings/{path.name}; next: crosswalk check")
