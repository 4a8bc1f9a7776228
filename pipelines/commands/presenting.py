"""Shows a plan as it was asked for: on the screen, as JSON, a page, a table, or saved for `crosswalk apply --plan`."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.exits import Exit

if TYPE_CHECKING:
    from pipelines.push.planned import Plan

Details = Annotated[bool, typer.Option("--details", help="Every record and field")]
Html = Annotated[Path | None, typer.Option(help="Write a page that can be sent to a colleague")]
Csv = Annotated[Path | None, typer.Option(help="Write one line for each field")]
Out = Annotated[Path | None, typer.Option(help="Save the plan; crosswalk apply --plan FILE applies exactly it")]


@dataclass(frozen=True)
class Shape:
    """In which shapes a plan is wanted, beside the screen."""

    details: bool = False
    html: Path | None = None
    csv: Path | None = None
    out: Path | None = None
    as_json: bool = False


def present(made: Plan, shape: Shape) -> None:
    """Prints the plan, and writes the files that were asked for.

    Raises:
        typer.Exit: a file cannot be written; standard error says which.
    """
    from pipelines.push import report

    try:
        if shape.out:
            made.save(shape.out)
        if shape.html:
            shape.html.write_text(report.as_html(made), encoding="utf-8")
        if shape.csv:
            shape.csv.write_text(report.as_csv(made), encoding="utf-8")
    except OSError as problem:
        print(f"the plan cannot be written: {problem}", file=sys.stderr)
        raise typer.Exit(Exit.WRONG_SETTINGS) from None
    if shape.as_json:
        print(json.dumps(report.as_json(made, with_details=shape.details), default=str))
    else:
        print(report.as_text(made, with_details=shape.details))
