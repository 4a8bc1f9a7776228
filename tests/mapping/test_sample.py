"""A first mapping from a sample: it recognises what is usual, and always loads."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.mapping.language import Mapping
from pipelines.mapping.load import load_mapping
from pipelines.mapping.problems import MappingErrors
from pipelines.mapping.rules import Known
from pipelines.mapping.sample import first_mapping

KNOWN = Known(
    auths=frozenset({"bearer"}),
    paginators=frozenset({"json_link", "cursor", "page_number", "offset", "single_page"}),
)
PEOPLE = [
    {
        "Id": number,
        "GivenName": "Ann",
        "Surname": "Lee",
        "Emails": [{"Address": f"ann{number}@acme.example", "Type": "home"}] if number else [],
        "mobile": "(555) 123-4567",
        "dob": "31/12/1980",
        "LeadStatus": ["Past Client", "prospect", "Weird one"][number % 3],
        "doNotCall": "no" if number else "yes",
        "labels": ["buyer"],
        "address": {"city": "Bern", "zip": "3000"},
        "DateCreated": 1_700_000_000_000 + number,
        "DateModified": f"2024-01-0{number + 1}T00:00:00Z",
        "favourite colour": "blue",
    }
    for number in range(6)
]


def drafted(path: Path, schemas: dict[str, CanonicalEntity]) -> Mapping:
    text = first_mapping("acme", path, schemas)
    with tempfile.TemporaryDirectory() as folder:
        mapping = Path(folder) / "acme.yml"
        mapping.write_text(text, encoding="utf-8")
        return load_mapping(mapping, schemas, KNOWN)


@pytest.mark.parametrize("shape", ["list", "lines", "answer"])
def test_people_are_recognised_in_every_shape(shape: str, tmp_path: Path, schemas: dict[str, CanonicalEntity]) -> None:
    path = tmp_path / "sample.json"
    answer = {"status": "ok", "data": {"people": PEOPLE}, "paging": {"next": {"after": "6"}}}
    texts = {"list": json.dumps(PEOPLE), "lines": "\n".join(map(json.dumps, PEOPLE)), "answer": json.dumps(answer)}
    path.write_text(texts[shape])
    contacts = drafted(path, schemas).entities["contacts"]
    assert (contacts.id, contacts.modified) == ("Id", "DateModified")
    if shape == "answer":
        assert contacts.extract.data_selector == "data.people"
        assert contacts.extract.paginator == {
            "type": "cursor", "cursor_path": "paging.next.after", "cursor_param": "after"
        }  # fmt: skip
    fields = contacts.fields
    paths = {name: f.path for name, f in fields.items() if f.each is None}
    assert paths["first_name"] == "GivenName"
    assert paths["last_name"] == "Surname"
    assert paths["phone"] == "mobile"
    assert paths["city"] == "address.city"
    assert paths["postal_code"] == "address.zip"
    assert (fields["email"].each, fields["email"].path, fields["email"].take) == ("Emails", "Address", "first")
    assert (fields["emails"].each, fields["emails"].take) == ("Emails", "all")
    assert fields["tags"].each == "labels"
    assert fields["birth_date"].time_format == "%d/%m/%Y"
    assert (fields["created_at"].time_format, fields["created_at"].write) == ("epoch_ms", "never")
    assert fields["status"].values == {"Past Client": "past_client", "prospect": "prospect"}
    assert fields["do_not_call"].values == {"no": False, "yes": True}
    assert "favourite colour (text)" in first_mapping("acme", path, schemas)


def test_references_are_drafted_for_when_there_is_something_to_refer_to(
    tmp_path: Path, schemas: dict[str, CanonicalEntity]
) -> None:
    deals = [
        {"id": n, "dealName": f"Sale {n}", "amount": 5, "stage": "x", "assignedToId": 7, "people": [{"personId": n}],
         "property": f"p{n}"}
        for n in range(3)
    ]  # fmt: skip
    path = tmp_path / "deals.json"
    path.write_text(json.dumps(deals))
    text = first_mapping("acme", path, schemas)
    assert "      # property_id: property  # once this mapping has properties" in text
    assert "      # contact_ids: {each: people, path: personId}  # once this mapping has contacts" in text
    assert "      # owner_id: assignedToId  # once this mapping has users" in text
    assert not any(name in drafted(path, schemas).entities["deals"].fields for name in ("owner_id", "contact_ids"))


def test_a_table_is_a_file_connection(tmp_path: Path, schemas: dict[str, CanonicalEntity]) -> None:
    path = tmp_path / "transactions.csv"
    path.write_text(
        'Deal Name;Sale Price;Closing Date;MLS #\n"Lake; house";100000;2024-01-31;A1\nHill;200000.50;2024-02-01;A2\n'
    )
    mapping = drafted(path, schemas)
    deals = mapping.entities["deals"]
    assert mapping.connection.kind == "file"
    assert mapping.connection.path == "${ACME_PATH:-transactions.csv}"
    assert {name: f.path for name, f in deals.fields.items()} == {
        "name": "Deal Name",
        "close_price": "Sale Price",
        "close_date": "Closing Date",
        "listing_id": "MLS #",
    }


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"', "[1, 2]", '{"data": []} x'])
def test_a_sample_without_records_is_refused(text: str, tmp_path: Path, schemas: dict[str, CanonicalEntity]) -> None:
    path = tmp_path / "sample.json"
    path.write_text(text)
    with pytest.raises(MappingErrors, match=r"sample.json:\d+:1: (holds no records|not readable as JSON)"):
        first_mapping("acme", path, schemas)


def test_a_name_that_is_none_is_refused(tmp_path: Path, schemas: dict[str, CanonicalEntity]) -> None:
    with pytest.raises(MappingErrors, match="expected a name in snake_case"):
        first_mapping("Acme Inc.", tmp_path / "sample.json", schemas)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
TELLING = st.sampled_from(
    ["id", "email", "Status", "updatedAt", "first name", "tags", "active", "no", "null", "a.b", "#"]
)
KEYS = TELLING | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.lists(st.dictionaries(KEYS, VALUES, max_size=6), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(RECORDS, st.dictionaries(KEYS, VALUES, max_size=3), st.booleans())
def test_every_sample_gives_a_mapping_that_loads(
    schemas: dict[str, CanonicalEntity], records: list[dict[str, Any]], around: dict[str, Any], is_answer: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.json"
        path.write_text(json.dumps(around | {"rows": records} if is_answer else records))
        try:
            mapping = drafted(path, schemas)
        except MappingErrors as error:
            assert "holds no records" in str(error)  # noqa: PT017
            assert not any(records)
        else:
            assert len(mapping.entities) == 1


@settings(max_examples=50, deadline=None)
@given(st.lists(KEYS.filter(str.strip), min_size=2, max_size=5, unique_by=str.lower), st.data())
def test_every_table_gives_a_mapping_that_loads(
    schemas: dict[str, CanonicalEntity], names: list[str], data: st.DataObject
) -> None:
    cells = st.text(alphabet=st.characters(exclude_categories=["C"]), min_size=1, max_size=8)
    rows = data.draw(st.lists(st.tuples(*[cells] * len(names)), min_size=1, max_size=4))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.csv"
        with path.open("w", newline="") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows([names, *rows])
        try:
            mapping = drafted(path, schemas)
        except MappingErrors as error:
            assert "not readable as CSV" in str(error) or "holds no records" in str(error)  # noqa: PT017
        else:
            assert mapping.connection.kind == "file"
