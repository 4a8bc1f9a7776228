"""An entity's mapping and schema as the columns of its staging table."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pipelines.connections.connection import Connection
from pipelines.mapping.canonical import CanonicalEntity, CanonicalField
from pipelines.mapping.language import Entity, FieldMapping, places
from pipelines.staging.convert import REASONS, Place, convert, phone_join, phone_lookup
from pipelines.staging.paths import Paths, pointer
from pipelines.staging.readings import Reading, read_field, stated_column
from pipelines.warehouse.models import ident, literal

EMPTY = """'null', '""', '[]', '{}'"""


RESERVED = {
    *("line", "id", "hash", "modified", "deleted", "seen", "record", "first_seen", "first_modified"),
    *("t", "k", "l", "plain", "gone", "record_key", "connection", "source_id", "raw_hash", "values_hash"),
    *("modified_at", "first_modified_at", "seen_at", "first_seen_at", "is_deleted", "is_in_scope"),
    *("custom", "absent_fields", "unreadable_fields"),
}
"""Columns of the staging tables and of the steps before them; no canonical field may have such a name."""


@dataclass(frozen=True)
class Column:
    """One mapped canonical field: the SQL at each step from the record to the typed value."""

    name: str
    field: FieldMapping
    canonical: CanonicalField
    reading: Reading
    value: str
    reason: str

    @property
    def is_list(self) -> bool:
        """Whether the value is a list."""
        return self.canonical.type == "list"

    @property
    def is_phone(self) -> bool:
        """Whether the value needs the remembered telephone numbers."""
        return (self.canonical.of or self.canonical.type) == "phone"

    @property
    def is_set(self) -> bool:
        """Whether order and repetition mean nothing: then it is stored sorted, so that equal is equal."""
        return self.is_list and self.canonical.survivorship == "union"

    def part(self, step: str) -> str:
        """Identifier of the column of a step (text, absent, wrong, shown, json) before the typed one."""
        return ident(f"{self.name}.{step}")

    @property
    def failed(self) -> str:
        """SQL: no value could be made of what is there; of a list, of a member: then it is not ours to write over."""
        if self.is_list:
            return f"({self.part('wrong')} or coalesce(len({self.part('text')}), 0) > {self.part('readable')})"
        return f"({self.part('wrong')} or ({self.part('text')} is not null and {ident(self.name)} is null))"


@dataclass(frozen=True)
class Layout:
    """All that the templates need to know of one entity of one connection."""

    connection: str
    entity: str
    schema: CanonicalEntity
    columns: list[Column]
    paths: Paths
    stated: list[str]
    place: Place
    is_deleted: str
    scope: str | None
    custom: str
    currency: str

    @property
    def unmapped(self) -> list[tuple[str, CanonicalField]]:
        """Canonical fields that the mapping lacks."""
        mapped = {column.name for column in self.columns}
        return [(name, field) for name, field in self.schema.fields.items() if name not in mapped]

    @property
    def table(self) -> str:
        """The staging table, schema.table."""
        return f"staging.{self.connection}__{self.entity}"


def layout(connection: Connection, entity: str, schema: CanonicalEntity) -> Layout:
    """Compile one entity's mapping.

    Args:
        connection: whose mapping it is.
        entity: the entity's name, such as contacts; the mapping has it.
        schema: its canonical schema.

    Raises:
        ValueError: the schema names a field as staging names a column of its own.
    """
    if taken := RESERVED & schema.fields.keys():
        raise ValueError(f"schemas/{entity}.yml: staging needs these names for itself: {', '.join(sorted(taken))}")
    mapped = connection.mapping.entities[entity]
    spoken = connection.wire
    # what is entered here may be about any CRM's records
    place = Place(connection.name, spoken.phone_region, spoken.timezone, names_others=spoken.kind == "table")
    paths = Paths()
    columns = [
        _column(name, mapped.fields[name], canonical, paths, place)
        for name, canonical in schema.fields.items()
        if name in mapped.fields
    ]
    return Layout(
        connection=connection.name,
        entity=entity,
        schema=schema,
        columns=columns,
        paths=paths,
        stated=[
            stated_column(name, f) for name, f in mapped.fields.items() if f.sql is not None and name in schema.fields
        ],
        place=place,
        is_deleted=_deleted_when(mapped, paths),
        scope=mapped.where,
        custom=custom_json(mapped),
        currency=spoken.currency,
    )


def _column(name: str, field: FieldMapping, canonical: CanonicalField, paths: Paths, place: Place) -> Column:
    reading = read_field(name, field, canonical, paths)
    kind = canonical.of or canonical.type
    text = ident(f"{name}.text")
    if canonical.type == "list":
        members = (
            text if kind == "phone" else f"list_transform({text}, lambda m: {convert('m', canonical, field, place)})"
        )
        value = f"list_filter({members}, lambda m: m is not null)"
    elif kind == "phone":
        value = phone_lookup(text, ident(f"{name}.phone"))
    else:
        value = convert(text, canonical, field, place)
    return Column(name, field, canonical, reading, value, REASONS[canonical.type if canonical.type == "list" else kind])


def _deleted_when(mapped: Entity, paths: Paths) -> str:
    conditions = [
        f"coalesce(lower({paths.text(path)}) in ({', '.join(literal(_plain(v).lower()) for v in values)}), false)"
        for path, values in ((mapped.deleted and mapped.deleted.when) or {}).items()
    ]
    return " or ".join(["deleted", *conditions])


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def readings_of(columns: list[Column]) -> tuple[Paths, list[Reading], list[str]]:
    """What a part of the columns needs of a record, and no more: paths, readings, stated columns."""
    paths = Paths()
    readings = [read_field(c.name, c.field, c.canonical, paths) for c in columns]
    return paths, readings, [stated_column(c.name, c.field) for c in columns if c.field.sql is not None]


def phone_joins(columns: list[Column], region: str) -> list[str]:
    """SQL joins of the remembered numbers, one for each single telephone number."""
    return [
        phone_join(column.part("text"), ident(f"{column.name}.phone"), region)
        for column in columns
        if column.is_phone and not column.is_list
    ]


def named_paths(mapped: Entity) -> list[str]:
    """Paths that the mapping names as a whole; a position in a list names one member, so the list is not among them."""
    found = [path for part in mapped.key for path in part] + ([mapped.modified] if mapped.modified else [])
    found += [path for choice in mapped.custom.values() for path in places(choice)]
    found += list((mapped.deleted and mapped.deleted.when) or {})
    for field in mapped.fields.values():
        found += [field.each] if field.each else [field.path] if field.path else []
        found += [*(field.first_of or []), *(field.join or []), *([field.split] if field.split else [])]
        found += [path for slot in field.slots for path in slot]
    return [path for path in dict.fromkeys(found) if not any(part.isdigit() for part in path.split("."))]


def custom_json(mapped: Entity) -> str:
    """SQL: what the mapping does not name, and its named extras, as one JSON object; NULL where nothing is left."""
    without: dict[str, Any] = {}
    for path in named_paths(mapped):
        _forget(without, path.split("."))
    rest = f"json_merge_patch(record, {literal(json.dumps(dict.fromkeys(without)))}::json)"
    nested = [_below(key, below) for key, below in without.items() if below is not None]
    extras = [f"{literal(key)}, {_extra(places(choice))}" for key, choice in mapped.custom.items()]
    if nested or extras:
        rest = f"json_merge_patch({rest}, json_object({', '.join(nested + extras)}))"
    return f"nullif(try({rest})::varchar, '{{}}')::json"


def _extra(paths: list[str]) -> str:
    """SQL: a named extra as JSON; of several places the first that holds something."""
    found = [f"json_extract(record, {literal(pointer(path))})" for path in paths]
    if len(found) == 1:
        return found[0]
    return f"coalesce({', '.join(f'case when {one}::varchar not in ({EMPTY}) then {one} end' for one in found)})"


def _forget(tree: dict[str, Any], parts: list[str]) -> None:
    head, *rest = parts
    if not rest:
        tree[head] = None
    elif tree.setdefault(head, {}) is not None:
        _forget(tree[head], rest)


def _below(key: str, without: dict[str, Any]) -> str:
    at = f"json_extract(record, {literal(pointer(key))})"
    left = f"nullif(json_merge_patch({at}, {literal(json.dumps(without))}::json)::varchar, '{{}}')::json"
    return f"{literal(key)}, case when json_type({at}) = 'OBJECT' then {left} else {at} end"
