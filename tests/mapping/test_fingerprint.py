"""A change of the mapping rebuilds what it touches, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.mapping.fingerprint import (
    extract_fingerprint,
    fields_fingerprint,
    push_fingerprint,
    schema_fingerprint,
)
from pipelines.mapping.load import load_mapping

TEXT = """crm: acme
label: Acme
connection:
  base_url: "https://acme.example"
entities:
  properties:
    extract: {path: p, params: {page: 1}}
    id: id
    modified: changed
    fields:
      description: Text
      heading: {path: Head, write: if_empty}
    push:
      fields: [description]
      update_request: {method: PUT, path: "p/{id}"}
"""
# What is replaced, by what, and which fingerprints change: extract, fields, push.
CHANGES = [
    ("label: Acme", "label: ACME  # a note", "---"),
    ("path: p,", "path: p2,", "x--"),
    ("modified: changed", "modified: touched", "xx-"),
    ("id: id", "id: key", "xxx"),
    ("description: Text", "description: Words", "-xx"),
    ("description: Text", "description: {path: Text, write: always}", "--x"),
    ("description: Text", "description: {path: Text}", "---"),
    ("write: if_empty", "write: always", "--x"),
    ("fields: [description]", "fields: [description, heading]", "--x"),
    ('"https://acme.example"', '"https://acme.example"\n  timezone: Europe/Zurich', "-x-"),
    ('"https://acme.example"', '"https://acme.example"\n  limits: [{requests: 1, seconds: 1}]', "---"),
    ("id: id", "assumptions: [none]\n    id: id", "---"),
    ("    id: id\n    modified: changed\n", "    modified: changed\n    id: id\n", "---"),
]


@pytest.fixture
def prints(tmp_path: Path, schemas: dict[str, CanonicalEntity]) -> Callable[[str], list[str]]:
    def made(text: str) -> list[str]:
        (tmp_path / "acme.yml").write_text(text)
        mapping = load_mapping(tmp_path / "acme.yml", schemas)
        return [f(mapping, "properties") for f in (extract_fingerprint, fields_fingerprint, push_fingerprint)]

    return made


@pytest.mark.parametrize(("old", "new", "changed"), CHANGES)
def test_a_change_touches_only_its_part(prints: Callable[[str], list[str]], old: str, new: str, changed: str) -> None:
    assert old in TEXT
    pairs = zip(prints(TEXT), prints(TEXT.replace(old, new)), strict=True)
    assert "".join("-" if before == after else "x" for before, after in pairs) == changed


def test_what_is_asked_for_by_name_is_read_again(prints: Callable[[str], list[str]]) -> None:
    asking = TEXT.replace("page: 1", "fields: '{fields}'")
    assert prints(asking)[0] != prints(asking.replace("Head", "Title"))[0]
    assert prints(TEXT)[0] == prints(TEXT.replace("Head", "Title"))[0]


def test_schemas_differ_by_what_they_do_not_by_what_they_say(schemas: dict[str, CanonicalEntity]) -> None:
    schema = schemas["contacts"]
    said = schema.model_copy(update={"description": "else", "questions": []})
    assert schema_fingerprint(said) == schema_fingerprint(schema)
    trusted = schema.fields["email"].model_copy(update={"survivorship": "trusted", "trust": ["a"]})
    done = schema.model_copy(update={"fields": {**schema.fields, "email": trusted}})
    assert schema_fingerprint(done) != schema_fingerprint(schema)
