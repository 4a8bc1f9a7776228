"""`crosswalk check`: mappings and schemas without credentials; `--data`: the data, for CI."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.commands.exits import Exit
from pipelines.commands.options import DataDir, Json
from pipelines.commands.owners import owner_with_data
from pipelines.connections.project import Project, find_project
from pipelines.mapping.load import load_schemas
from pipelines.mapping.problems import MappingErrors

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def check(
    names: Annotated[list[str] | None, typer.Argument(help="Mappings; default: all")] = None,
    data: Annotated[bool, typer.Option("--data", help="Run the data-quality checks on the last candidate")] = False,
    assumptions: Annotated[bool, typer.Option("--assumptions", help="List what nobody has verified")] = False,
    coverage: Annotated[bool, typer.Option("--coverage", help="Compare what came with what the mapping names")] = False,
    owner: Annotated[str | None, typer.Option(help="Whose data; default: the one that has some")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Check every mapping and schema; nothing is called. With --data, check the data instead."""
    project = find_project(data_dir=data_dir)
    if data:
        raise typer.Exit(_check_data(project, owner, as_json=as_json))
    if assumptions:
        raise typer.Exit(_list_assumptions(project, names, as_json=as_json))
    if coverage:
        from pipelines.commands.coverage import show_coverage

        raise typer.Exit(show_coverage(project, owner_with_data(project, owner), names, as_json=as_json))
    raise typer.Exit(_check_mappings(project, names))


def _files(project: Project, names: list[str] | None) -> list[Path]:
    found = [p for p in sorted(project.mappings.glob("*.yml")) if not names or p.stem in names]
    for name in names or []:
        if name not in {p.stem for p in found}:
            typer.echo(f"there is no mappings/{name}.yml", err=True)
            raise typer.Exit(Exit.WRONG_SETTINGS)
    return found


def _check_mappings(project: Project, names: list[str] | None) -> Exit:
    from pipelines.commands.registered import load_known
    from pipelines.mapping.load import load_mapping

    problems: list[str] = []
    schemas = None
    try:
        schemas = load_schemas(project.schemas)
    except MappingErrors as found:
        problems += [str(p) for p in found.problems]
    files = _files(project, names)
    for path in files:
        try:
            load_mapping(path, schemas, load_known())
        except MappingErrors as found:
            problems += [str(p) for p in found.problems]
    for problem in problems:
        print(problem)
    count = len(schemas or {})
    print(f"{len(files)} mappings and {count} schemas checked, {len(problems) or 'no'} problems")
    return Exit.WRONG_SETTINGS if problems else Exit.DONE


def _list_assumptions(project: Project, names: list[str] | None, *, as_json: bool) -> Exit:
    from pipelines.mapping.assumptions import assumptions

    found = [one for path in _files(project, names) for one in assumptions(path)]
    if as_json:
        print(json.dumps([vars(one) for one in found]))
    else:
        for one in found:
            print(one)
    return Exit.DONE


def _check_data(project: Project, name: str | None, *, as_json: bool) -> Exit:
    from pipelines.check.run import check as run_checks
    from pipelines.publish.swap import last_candidate

    owner = owner_with_data(project, name)
    candidate = last_candidate(owner)
    if candidate is None:
        typer.echo(f"owner {owner.name} has no candidate yet: run a connection first", err=True)
        return Exit.WRONG_SETTINGS
    report = run_checks(owner, candidate, load_schemas(project.schemas))
    _show(report, as_json=as_json)
    return Exit.DONE if report.ok else Exit.CHECKS_FAILED


def _show(report: Any, *, as_json: bool) -> None:
    if as_json:
        results = [r._asdict() for r in report.for_state()]
        print(json.dumps({"ok": report.ok, "results": results}, default=str))
        return
    for result in [*report.errors, *report.warnings]:
        print(result)
    failed = f"{len(report.errors)} errors, {len(report.warnings)} warnings"
    print(f"{len(report.results)} checks: {failed}; {'fit to publish' if report.ok else 'NOT fit to publish'}")
