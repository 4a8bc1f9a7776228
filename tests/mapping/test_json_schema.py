"""The JSON Schemas for editors say what the program says."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pipelines.mapping.document import read_document
from pipelines.mapping.json_schema import FILES, json_schema, write_json_schemas

ROOT = Path(__file__).resolve().parents[2]
MAPPINGS = sorted((ROOT / "mappings").glob("*.yml"))
SCHEMAS = sorted((ROOT / "schemas").glob("*.yml"))


@pytest.mark.parametrize("file", sorted(FILES))
def test_the_files_are_those_the_models_make(file: str, tmp_path: Path) -> None:
    write_json_schemas(tmp_path)
    here = (ROOT / "schemas" / file).read_text()
    assert here == (tmp_path / file).read_text(), "run: python -m pipelines.mapping.json_schema"


@pytest.mark.parametrize("path", MAPPINGS + SCHEMAS, ids=lambda p: p.name)
def test_every_file_is_valid_in_an_editor(path: Path) -> None:
    file = "mapping.schema.json" if path in MAPPINGS else "canonical.schema.json"
    validator = jsonschema.Draft202012Validator(json.loads((ROOT / "schemas" / file).read_text()))
    assert [e.message for e in validator.iter_errors(read_document(path).data)] == []


def test_editors_see_mistakes_and_short_forms() -> None:
    validator = jsonschema.Draft202012Validator(json_schema("mapping.schema.json"))
    data: dict[str, Any] = read_document(MAPPINGS[0]).data
    entity = next(iter(data["entities"]))
    for key, value in (("label", 3), ("conection", {}), ("entities", {})):
        assert not validator.is_valid({**data, key: value}), key
    for field, is_right in (("Name", True), ({"path": "Name"}, True), ({"pth": "Name"}, False), (3, False)):
        changed = copy.deepcopy(data)
        changed["entities"][entity]["fields"]["x"] = field
        assert validator.is_valid(changed) is is_right, field


@pytest.mark.parametrize("path", MAPPINGS + SCHEMAS, ids=lambda p: p.name)
def test_every_file_tells_editors_its_schema(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    folder = "../schemas/mapping" if path in MAPPINGS else "canonical"
    assert first == f"# yaml-language-server: $schema={folder}.schema.json"
