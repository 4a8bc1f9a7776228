"""There and back (law L4) for every field that any mapping writes: what was written reads as what was meant.

The CRM here does nothing but merge: its own normalising is the business of the emulated CRMs (tests/crms).
"""

from __future__ import annotations

import copy
import json
import os
import unicodedata
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.connections.connection import Connection, Settings
from pipelines.connections.owner import Owner
from pipelines.mapping.canonical import CanonicalField
from pipelines.mapping.language import FieldMapping, Mapping
from pipelines.mapping.load import load_mapping, load_schemas
from pipelines.push.inverse import UnwritableError
from pipelines.push.write import Writer
from pipelines.staging.read_back import RecordReader

EXAMPLES = int(os.environ.get("LAW_EXAMPLES", "0"))
ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = load_schemas(ROOT / "schemas")
PHONES = ["+12025550123", "+12025550199", "+61291234567", "+442079460958", "+13105550142"]

letters = st.characters(categories=("Lu", "Ll", "Lo", "Nd"), exclude_characters="\u00ad")
word = st.text(letters, min_size=1, max_size=8).filter(str.isprintable)
names = st.lists(word, min_size=1, max_size=3).map(lambda words: unicodedata.normalize("NFC", " ".join(words)))
mailbox = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=8)
PLAIN: dict[str, st.SearchStrategy[Any]] = {
    "text": names,
    "email": mailbox.map(lambda local: f"{local}@office.example"),
    "phone": st.sampled_from(PHONES),
    "money": st.integers(1, 10**9).map(lambda cents: Decimal(cents) / 100),
    "decimal": st.integers(1, 10**6).map(lambda n: Decimal(n) / 4),
    "integer": st.integers(1, 10**6),
    "date": st.integers(0, 30_000).map(lambda day: (date(1950, 1, 1) + timedelta(days=day)).isoformat()),
    "timestamp": st.integers(0, 10**9).map(
        lambda s: (datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=s)).strftime("%Y-%m-%dT%H:%M:%SZ")
    ),
    "boolean": st.booleans(),
    "reference": st.integers(1, 10**6).map(str),
}


def written() -> Iterator[tuple[str, str]]:
    """Every entity that a mapping writes."""
    for path in sorted((ROOT / "mappings").glob("*.yml")):
        for entity, said in load_mapping(path, SCHEMAS).entities.items():
            if said.push is not None and said.push.fields:
                yield path.stem, entity


@cache
def reader_of(crm: str) -> tuple[Mapping, RecordReader]:
    mapping = load_mapping(ROOT / "mappings" / f"{crm}.yml", SCHEMAS)
    wire = mapping.connection.model_copy(update={"phone_region": "US"})
    mapping = mapping.model_copy(update={"connection": wire})
    connection = Connection(crm, Owner("law", Path("unused")), mapping, Settings(), False, wire)
    return mapping, RecordReader(connection, SCHEMAS)


def values_of(field: FieldMapping, canonical: CanonicalField) -> st.SearchStrategy[Any]:
    kind = canonical.of or canonical.type
    if field.values is not None:
        words = [_typed(ours, kind) for ours in field.written_values]
        one: st.SearchStrategy[Any] = st.sampled_from(words)
    elif kind == "enum":
        one = st.sampled_from(canonical.values or ["unknown"])
    else:
        one = PLAIN[kind]
    return st.lists(one, min_size=1, max_size=3, unique=True).map(sorted) if canonical.type == "list" else one


def _typed(ours: str, kind: str) -> Any:
    return ours == "true" if kind == "boolean" else int(ours) if kind == "integer" else ours


def merged(record: Any, body: dict[str, Any]) -> dict[str, Any]:
    """What a CRM holds after a write: objects are merged, all else is replaced."""
    result = copy.deepcopy(record)
    for key, value in body.items():
        is_object = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if is_object else copy.deepcopy(value)
    return result


def same(read: Any, meant: Any, crm: str, kind: str, *, is_union: bool) -> bool:
    if isinstance(meant, list):
        found = read if isinstance(read, list) else []
        missing = [one for one in meant if not any(same(got, one, crm, kind, is_union=False) for got in found)]
        return not missing and (is_union or len(found) == len(meant))
    if read is None:
        return False
    if kind in ("money", "decimal", "integer"):
        return Decimal(str(read)) == Decimal(str(meant))
    if kind == "timestamp":
        return datetime.fromisoformat(read.replace(" ", "T")) == datetime.fromisoformat(meant)
    return bool(read == (f"{crm}:{meant}" if kind == "reference" else meant))


def check(crm: str, entity: str, data: Any) -> None:
    mapping, reader = reader_of(crm)
    said, schema = mapping.entities[entity], SCHEMAS[entity]
    writer = Writer(said, schema, mapping.connection)
    links = {link.field for link in said.push.links} if said.push else set()
    fields = [name for name in said.push.fields if name not in links] if said.push else []
    # where the name that is written is not the one that is read, only the CRM itself can say what becomes of it
    fields = [name for name in fields if said.fields[name].write_to is None]
    record: dict[str, Any] = {}
    written: dict[str, Any] = {}
    for name in data.draw(st.lists(st.sampled_from(fields), min_size=1, max_size=4, unique=True), label="fields"):
        field, canonical = said.fields[name], schema.fields[name]
        value = data.draw(values_of(field, canonical), label=name)
        try:
            body = writer.body({name: value}, record or None)
        except UnwritableError:
            continue
        if not body and field.write == "if_empty" and record:
            continue  # what is there stays: a name in parts, where one of its parts was written before
        record, written = merged(record, body), {**written, name: value}
        row = reader(entity, [record])[0]
        read = None if row[name] is None else json.loads(row[name], parse_float=Decimal)
        kind = canonical.of or canonical.type
        is_union = canonical.survivorship == "union" or canonical.to is not None
        assert same(read, value, crm, kind, is_union=is_union), (name, value, read, body, record)


@pytest.mark.parametrize(("crm", "entity"), list(written()))
@settings(max_examples=max(8, EXAMPLES // 10))  # for each of some twenty entities
@given(data=st.data())
def test_l4_what_was_written_reads_as_what_was_meant(crm: str, entity: str, data: Any) -> None:
    check(crm, entity, data)
