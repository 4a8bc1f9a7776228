"""`.dlt/example.secrets.toml`, made from what the mappings ask for: `python -m pipelines.connections.example`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pipelines.connections.project import find_project
from pipelines.connections.variables import named_in
from pipelines.mapping import language
from pipelines.mapping.load import load_mappings

HEAD = """\
# Copy to secrets.toml (git ignores it) and fill in what you have. The environment comes before this file: each name
# may be set there as <CONNECTION>_<NAME>, such as {example}. A connection that has none of its names set
# uses the sandbox. Made from mappings/ by `python -m pipelines.connections.example`.
#
# A second account at one CRM, [connections.north] with `mapping = "..."` in config.toml, has its own table here.
"""


def example_secrets(mappings: Mapping[str, language.Mapping]) -> str:
    """The text of the file: one table for each mapping; what has a default is commented out."""
    tables = [_table(mapping) for _, mapping in sorted(mappings.items())]
    names = sorted(
        v for m in mappings.values() for v, default in named_in(m.connection.model_dump()) if default is None
    )
    return HEAD.format(example=names[0] if names else "NORTH_API_KEY") + "".join(tables)


def _table(mapping: language.Mapping) -> str:
    block = {"connection": mapping.connection.model_dump(), "webhook": mapping.webhook and mapping.webhook.secret}
    lines: dict[str, str] = {}
    for variable, default in named_in(block):
        key = variable.removeprefix(f"{mapping.crm.upper()}_").lower()
        optional = default is not None or variable in dict(named_in(block["webhook"]))
        lines[key] = f"{'# ' if optional else ''}{key} = {json.dumps(default or '')}\n"
    return f"\n[connections.{mapping.crm}]\n{''.join(lines.values())}" if lines else ""


def write_example(root: Path | None = None) -> Path:
    """Write the file into the project's `.dlt/`."""
    project = find_project(root)
    path = project.config.parent / "example.secrets.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(example_secrets(load_mappings(project.mappings)), encoding="utf-8")
    return path


if __name__ == "__main__":
    print(f"wrote .dlt/{write_example().name}")
