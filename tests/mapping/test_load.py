"""What is in the repository loads, and schemas come in the order of their references."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.mapping.assumptions import assumptions
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.mapping.load import load_mapping, load_mappings, load_schemas
from pipelines.mapping.problems import MappingErrors
from pipelines.mapping.rules import Known

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = "entity: {name}\nsingular: {name}_\ndescription: d\nfields:\n"


def write(folder: Path, **fields: str) -> Path:
    for name, text in fields.items():
        (folder / f"{name}.yml").write_text(SCHEMA.format(name=name) + text)
    return folder


def test_all_mappings_load(schemas: dict[str, CanonicalEntity]) -> None:
    found = load_mappings(ROOT / "mappings", schemas)
    assert found
    assert all(name == mapping.crm for name, mapping in found.items())


def test_all_mappings_use_registered_names_as_they_are_made(schemas: dict[str, CanonicalEntity]) -> None:
    from pipelines.wire.answers import READERS
    from pipelines.wire.names import AUTHS, PAGINATORS

    known = Known.of(AUTHS, PAGINATORS, READERS)
    assert load_mappings(ROOT / "mappings", schemas, known)


def test_what_is_referred_to_comes_first(schemas: dict[str, CanonicalEntity]) -> None:
    order = list(schemas)
    for name, schema in schemas.items():
        for field in schema.fields.values():
            assert field.to is None or field.to == name or order.index(field.to) < order.index(name)
    assert set(order) == {"users", "contacts", "properties", "deals"}


def test_short_fields_are_expanded(schemas: dict[str, CanonicalEntity]) -> None:
    contacts = load_mapping(ROOT / "mappings" / "brivity.yml", schemas).entities["contacts"]
    assert contacts.fields["first_name"].path == "first_name"
    assert contacts.fields["first_name"].writes == "always"
    assert contacts.fields["status"].written_values["client"] == "active-client"


def test_circles_and_unknown_references_are_refused(tmp_path: Path) -> None:
    write(
        tmp_path,
        a="  x: {type: reference, to: b, description: d}\n",
        b="  y: {type: reference, to: a, description: d}\n",
    )
    with pytest.raises(MappingErrors, match=r"run in a circle: (a -> b -> a|b -> a -> b)"):
        load_schemas(tmp_path)
    write(tmp_path, b="  y: {type: reference, to: aa, description: d}\n")
    with pytest.raises(MappingErrors, match=r"b.yml:5:28 fields.y.to: no entity is called 'aa'.*did you mean a\?"):
        load_schemas(tmp_path)


def test_an_entity_may_refer_to_itself(tmp_path: Path) -> None:
    write(tmp_path, a="  x: {type: reference, to: a, description: d}\n")
    assert list(load_schemas(tmp_path)) == ["a"]


def test_mistakes_in_schemas_are_all_told(tmp_path: Path) -> None:
    write(
        tmp_path,
        a="  x: {type: txt, description: d}\n"
        "  source_id: {type: text, description: d}\n"
        "  y: {type: text, description: d, survivorship: union}\n"
        "  z: {type: enum, description: d}\n"
        "  Q: {type: text, description: d}\n"
        "  t: {type: text, description: d, survivorship: trusted}\n"
        "  v: {type: text, description: d, values: [a]}\n",
    )
    with pytest.raises(MappingErrors) as refused:
        load_schemas(tmp_path)
    assert [p.line for p in refused.value.problems] == [5, 6, 7, 8, 9, 10, 11], str(refused.value)


def test_a_folder_without_schemas_says_so(tmp_path: Path) -> None:
    with pytest.raises(MappingErrors, match="holds no canonical schema"):
        load_schemas(tmp_path)


def test_assumptions_are_listed_with_their_lines() -> None:
    path = ROOT / "mappings" / "brivity.yml"
    found = assumptions(path)
    lines = path.read_text().splitlines()
    assert len(found) >= 4
    assert all(lines[a.line - 1].strip() == f"- {a.text}" for a in found)
    assert {a.block for a in found} >= {"", "connection"}
    assert str(found[0]).endswith(f"mappings/brivity.yml:{found[0].line} brivity: {found[0].text}")
