"""published.yml against its JSON Schema, and how a table is found in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.mapping.document import read_document
from pipelines.publish.contract import FILE, Contract, described

JSON_SCHEMA = Path(FILE).with_suffix(".schema.json")


def test_json_schema_is_the_one_of_the_models() -> None:
    assert json.loads(JSON_SCHEMA.read_text(encoding="utf-8")) == Contract.model_json_schema()


def test_published_yml_obeys_it() -> None:
    validator = Draft202012Validator(json.loads(JSON_SCHEMA.read_text(encoding="utf-8")))
    assert [e.message for e in validator.iter_errors(read_document(FILE).data)] == []
    assert not validator.is_valid({"schemas": {}, "tables": {"x.y": {"say": "a slip"}}, "columns": {}})


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("staging.north.office__deals", "One row is the current version of one deal as north.office has it"),
        ("unified.property_sources", "One row is one source record and the golden property it belongs to"),
        ("staging.deals_edits", None),
        ("unified.contacts_x", None),
        ("meta.builds", None),
    ],
)
def test_a_table_is_found_by_its_pattern(table: str, says: str | None, schemas: dict[str, CanonicalEntity]) -> None:
    note = described(table, schemas)
    assert (note.says if note else None) == says


def test_a_column_is_what_its_table_says_before_what_all_say(schemas: dict[str, CanonicalEntity]) -> None:
    notes = [described(table, schemas) for table in ("unified.contacts", "sync.ledger", "unified.contact_matches")]
    contacts, ledger, matches = (note.columns for note in notes if note)
    assert contacts["created_at"] == "When the CRM first had the record. RESO: OriginalEntryTimestamp"
    assert ledger["since"] != matches["since"]
