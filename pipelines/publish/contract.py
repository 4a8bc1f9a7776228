"""What is published, and what each table and column is: `published.yml` and the canonical schemas."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import Field

from pipelines.mapping.canonical import CanonicalEntity, CanonicalField
from pipelines.mapping.document import read_document
from pipelines.mapping.language import Strict

FILE = Path(__file__).with_name("published.yml")
CONNECTION = r"[A-Za-z0-9][A-Za-z0-9_.@-]*?"


class TableEntry(Strict):
    """One table, or one for each entity or connection."""

    says: str = Field(description="What the table is and what one row is; {entities}, {singular}, ... are filled in")
    fields: bool = Field(False, description="It also has the canonical fields of its entity")
    for_each_field: dict[str, str] = Field(default_factory=dict, description="Columns in which {field} stands")
    columns: dict[str, str] = Field(default_factory=dict, description="Columns that mean something else elsewhere")


class Contract(Strict):
    """`published.yml`: the tables of the published file."""

    schemas: dict[str, str] = Field(
        description="Schema to what it holds (for readers: DuckDB has no comments on schemas)"
    )
    tables: dict[str, TableEntry] = Field(description="schema.table, in which {entities} and the like may stand")
    columns: dict[str, str] = Field(description="Columns that mean the same in every table")


@dataclass(frozen=True)
class TableNote:
    """One table that is published: what it is, and what its columns are."""

    says: str
    columns: Mapping[str, str]


@cache
def contract() -> Contract:
    """`published.yml`, read once.

    Raises:
        pydantic.ValidationError: the file breaks its own form.
    """
    return Contract.model_validate(read_document(FILE).data)


def described(table: str, schemas: Mapping[str, CanonicalEntity]) -> TableNote | None:
    """What a table, `schema.name`, is; None: it is not to be published."""
    for pattern, entry in contract().tables.items():
        for entity in schemas.values() if "{entities}" in pattern or "{singular}" in pattern else [None]:
            names = _names(entity)
            found = re.fullmatch(_regex(pattern, names), table)
            if found:
                words = {**names, **found.groupdict(), "table": table}
                columns = {**contract().columns, **_of_fields(entry, entity, words), **entry.columns}
                return TableNote(_filled(entry.says, words), columns)
    return None


def _names(entity: CanonicalEntity | None) -> dict[str, str]:
    if entity is None:
        return {}
    return {"entities": entity.entity, "singular": entity.singular, "description": entity.description}


def _regex(pattern: str, names: Mapping[str, str]) -> str:
    escaped = re.escape(_filled(pattern, names))
    return escaped.replace(re.escape("{connection}"), f"(?P<connection>{CONNECTION})")


def _filled(text: str, words: Mapping[str, str]) -> str:
    for name, word in words.items():
        text = text.replace(f"{{{name}}}", word)
    return text


def _of_fields(entry: TableEntry, entity: CanonicalEntity | None, words: Mapping[str, str]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for name, field in entity.fields.items() if entity else ():
        if entry.fields:
            columns[name] = field_comment(field, of_source=words["table"].startswith("staging."))
        named = {**words, "field": name}
        columns |= {_filled(column, named): _filled(text, named) for column, text in entry.for_each_field.items()}
    return columns


def field_comment(field: CanonicalField, *, of_source: bool = False) -> str:
    """A canonical field in words: what it is, its RESO name, its values, whether it is personal data."""
    said = [field.description]
    if field.to:
        said.append(f"{'Record key' if of_source else 'Golden id'} in {field.to}")
    if field.values:
        said.append(f"One of {', '.join(field.values)}")
    if field.reso:
        said.append(f"RESO: {field.reso}")
    if field.personal != "none":
        said.append(f"Personal data: {field.personal}")
    return ". ".join(said)
