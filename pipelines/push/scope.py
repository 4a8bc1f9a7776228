"""Which fields of an entity may be written to a CRM, and how each is compared in SQL."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.connections.connection import Connection
from pipelines.mapping.canonical import CanonicalEntity, CanonicalField
from pipelines.mapping.language import Entity, FieldMapping
from pipelines.warehouse.likeness import LACKING, compared, is_empty, is_filled
from pipelines.warehouse.models import ident, literal


@dataclass(frozen=True)
class PushField:
    """One canonical field that may be written.

    `to` and `singular` name the entity a reference points to; `rule` and `owner` are the mapping's; a link is a
    reference that is written by calls of its own. `words` are the only values the CRM has a word for, as JSON; None:
    any. Of a `is_unique` field no two records of the CRM have one value.
    """

    name: str
    rule: str
    owner: str
    is_list: bool
    is_union: bool
    is_link: bool
    to: str | None
    singular: str
    words: tuple[str, ...] | None = None
    is_unique: bool = False

    @property
    def words_sql(self) -> str:
        """SQL of `words`."""
        return "null::varchar[]" if self.words is None else f"[{', '.join(map(literal, self.words))}]::varchar[]"

    @property
    def is_reference(self) -> bool:
        """True where the value names other records."""
        return self.to is not None

    @property
    def sources(self) -> str:
        """Table that says which golden record each record of the referenced entity belongs to."""
        return f"unified.{self.singular}_sources"

    @property
    def theirs(self) -> str:
        """The CRM's value in terms of the golden record: references as golden ids."""
        return ident(f"{self.name}__golden" if self.is_reference else self.name)

    @property
    def is_empty(self) -> str:
        """SQL: the CRM's field (table `theirs`) holds nothing."""
        return is_empty(f"theirs.{ident(self.name)}", is_list=self.is_list)

    @property
    def is_filled(self) -> str:
        """SQL: the golden record's field (table `ours`) holds something."""
        return is_filled(f"ours.{ident(self.name)}", is_list=self.is_list)

    @property
    def is_different(self) -> str:
        """SQL: the golden value is filled, and the CRM's is not the same (for a union: lacks some of it)."""
        ours, theirs = f"ours.{ident(self.name)}", f"theirs.{self.theirs}"
        if self.is_union:
            return f"{self.is_filled} and not list_has_all(coalesce({theirs}, []), {ours})"
        return f"{self.is_filled} and {ours} is distinct from {theirs}"

    def compared(self, *, ours: bool) -> str:
        """SQL of the value as it goes into the hash."""
        return compared(ident(self.name) if ours else self.theirs, is_union=self.is_union)

    def vacant(self, *, ours: bool) -> str:
        """SQL: for fields that are written only where empty, whether this side makes a write possible."""
        return (is_filled if ours else is_empty)(ident(self.name), is_list=self.is_list)

    @property
    def is_noted(self) -> str:
        """SQL: unify noted a difference that may lead to a write."""
        return f"{ident(self.name)} {f'= {LACKING}' if self.rule == 'if_empty' else '> 0'}"


def push_fields(entity: Entity, schema: CanonicalEntity, schemas: Mapping[str, CanonicalEntity]) -> list[PushField]:
    """The fields of the mapping's push block that it can write, in its order."""
    if entity.push is None:
        return []
    links = {link.field for link in entity.push.links}
    found = []
    for name in dict.fromkeys([*entity.push.fields, *links]):
        mapped, canonical = entity.fields.get(name), schema.fields.get(name)
        if canonical is None or (name not in links and (mapped is None or mapped.writes == "never")):
            continue
        is_list = canonical.type == "list"
        known = canonical.to in schemas
        if canonical.to is not None and not known:
            continue
        found.append(
            PushField(
                name=name,
                rule="always" if mapped is None or name in links else mapped.writes,
                owner="latest" if mapped is None else mapped.owner,
                is_list=is_list,
                is_union=is_list and (canonical.survivorship == "union" or canonical.to is not None),
                is_link=name in links,
                to=canonical.to,
                singular=schemas[canonical.to].singular if canonical.to else "",
                words=None if mapped is None or is_list else _words(mapped, canonical),
                is_unique=mapped is not None and mapped.unique,
            )
        )
    return found


def _words(mapped: FieldMapping, canonical: CanonicalField) -> tuple[str, ...] | None:
    """The values that `values` has a word of theirs for, as JSON."""
    if mapped.values is None:
        return None
    plain = canonical.type in {"boolean", "integer", "decimal", "money"}
    return tuple(ours if plain else json.dumps(ours, ensure_ascii=False) for ours in mapped.written_values)


def hash_sql(fields: Sequence[PushField], *, ours: bool) -> str:
    """SQL of one hash over the fields that are always written."""
    columns = [field.compared(ours=ours) for field in fields if field.rule == "always"]
    return f"hash({', '.join(columns)})" if columns else "0::ubigint"


def bits_sql(fields: Sequence[PushField], *, ours: bool) -> str:
    """SQL of a number with one bit for each field that is written only where empty."""
    some = [field for field in fields if field.rule == "if_empty"]
    bits = [f"(case when {field.vacant(ours=ours)} then {1 << i} else 0 end)" for i, field in enumerate(some)]
    return f"({' | '.join(bits)})::bigint" if bits else "0::bigint"


def in_reference_order(connection: Connection, schemas: Mapping[str, CanonicalEntity]) -> list[str]:
    """The connection's entities that can be pushed, each after those it points to (contacts before their deals)."""
    waiting = [name for name, entity in connection.entities.items() if entity.push is not None and name in schemas]
    done: list[str] = []
    while waiting:
        free = [name for name in waiting if not (_points_to(schemas[name]) & set(waiting)) - {name}]
        done += (chosen := free or waiting[:1])  # a circle is broken where it is entered
        waiting = [name for name in waiting if name not in chosen]
    return done


def _points_to(schema: CanonicalEntity) -> set[str]:
    return {field.to for field in schema.fields.values() if field.to is not None}
