"""`crosswalk check --coverage`: what the records hold beside what the mapping names."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pipelines.commands.exits import Exit
from pipelines.commands.reading import read_warehouse
from pipelines.connections.connection import Connection, Settings
from pipelines.connections.owner import Owner
from pipelines.connections.project import Project
from pipelines.connections.settings import connection_settings
from pipelines.mapping.load import load_mapping, load_schemas

if TYPE_CHECKING:
    from pipelines.staging.coverage import Finding

SAID = {
    "unmapped": "the CRM sends it, the mapping does not name it",
    "never": "the mapping names it, it never comes",
    "unknown_value": "values the mapping does not know",
    "mixed_types": "comes in several types",
    "changed_types": "comes in another type since the last run",
}


def show_coverage(project: Project, owner: Owner, names: list[str] | None, *, as_json: bool) -> Exit:
    """Prints the findings of every connection of the owner that was read."""
    from pipelines.staging.coverage import coverage

    schemas = load_schemas(project.schemas)
    found: dict[str, list[Finding]] = {}
    settings = connection_settings(project)
    with read_warehouse(owner, "comparing mappings") as con:
        for path in sorted(owner.raw("x").parent.glob("*.duckdb")):
            own = settings.get(path.stem) or Settings.model_validate({})
            file = project.mappings / f"{own.mapping or path.stem}.yml"
            if (not names or path.stem in names) and file.exists():
                mapping = load_mapping(file, schemas)
                one = Connection(path.stem, owner, mapping, own, is_sandbox=False, wire=mapping.connection)
                found[path.stem] = coverage(con, one, schemas)
    if as_json:
        print(json.dumps({name: [asdict(f) for f in findings] for name, findings in found.items()}))
    else:
        for name, findings in found.items():
            for finding in findings:
                print(_line(name, finding))
    return Exit.DONE


def _line(name: str, finding: Any) -> str:
    types = ", ".join(f"{kind} {count}" for kind, count in finding.types.items())
    such = f", such as {', '.join(finding.examples)}" if finding.examples else ""
    return f"{name} {finding.entity}.{finding.name}: {SAID[finding.kind]} ({finding.share:.0%}; {types}{such})"
