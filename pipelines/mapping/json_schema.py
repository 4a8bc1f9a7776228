"""JSON Schemas of the mapping language and of canonical schemas, for editors.

`python -m pipelines.mapping.json_schema` writes them into `schemas/`. They are made from the pydantic models, short
forms included, so that the two cannot say different things.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.mapping.language import Mapping

FILES: dict[str, tuple[type[BaseModel], str]] = {
    "mapping.schema.json": (Mapping, "A CRM: how it is reached, read, translated and written"),
    "canonical.schema.json": (CanonicalEntity, "A canonical entity: its fields, and all that is true of them"),
}
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(file: str) -> dict[str, Any]:
    """The JSON Schema that belongs into `schemas/<file>`; `file` is a key of FILES."""
    model, title = FILES[file]
    schema = model.model_json_schema(by_alias=True)
    _allow_short(
        schema, "Entity", "fields", {"type": "string", "minLength": 1, "description": "Path in the CRM's record"}
    )
    _allow_short(schema, "View", "columns", {"type": "string", "description": "entity.field, or entity.custom.name"})
    _without_noise(schema)
    return {"$schema": DIALECT, **schema, "title": title}


def write_json_schemas(folder: Path) -> list[Path]:
    """Write both files; returns their paths."""
    written = []
    for file in FILES:
        path = folder / file
        path.write_text(json.dumps(json_schema(file), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        written.append(path)
    return written


def _allow_short(schema: dict[str, Any], block: str, key: str, short: dict[str, Any]) -> None:
    """`first_name: FirstName` stands for `first_name: {path: FirstName}`, and so elsewhere."""
    found = schema.get("$defs", {}).get(block)
    if found is not None:
        members = found["properties"][key]
        members["additionalProperties"] = {"anyOf": [short, members["additionalProperties"]]}


def _without_noise(node: Any) -> None:
    """Remove the titles pydantic makes of key names: editors show them before the descriptions."""
    if isinstance(node, dict):
        if isinstance(node.get("title"), str) and ("type" in node or "anyOf" in node or "$ref" in node):
            del node["title"]
        for key, member in node.items():
            if key not in ("default", "const", "enum"):
                _without_noise(member)
    elif isinstance(node, list):
        for member in node:
            _without_noise(member)


if __name__ == "__main__":
    for written_path in write_json_schemas(Path(__file__).resolve().parents[2] / "schemas"):
        print(f"wrote schemas/{written_path.name}")
