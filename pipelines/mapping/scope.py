"""What the rules about one entity look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.mapping.canonical import CanonicalEntity, CanonicalField
from pipelines.mapping.document import Document, Parts
from pipelines.mapping.language import Entity
from pipelines.mapping.problems import Problem, listed, nearest_name


@dataclass(frozen=True)
class Known:
    """Names registered elsewhere (`pipelines/wire/`, and dlt's own); None: not checked."""

    auths: frozenset[str] | None = None
    paginators: frozenset[str] | None = None
    readers: frozenset[str] | None = None
    webhook_schemes: frozenset[str] | None = None


@dataclass(frozen=True)
class Scope:
    """One entity of a mapping, and what it is held against. `schema` is None where the schemas are not known."""

    document: Document
    at: Parts
    entity: Entity
    schema: CanonicalEntity | None
    entities: frozenset[str]
    known: Known

    def problem(self, parts: Parts, found: str, *, of_value: bool = False, **more: str) -> Problem:
        """A problem at `parts` below the entity."""
        return self.document.problem((*self.at, *parts), found, of_value=of_value, **more)

    def unknown(self, parts: Parts, said: str, name: str, names: Iterable[str], *, of_value: bool = True) -> Problem:
        """`name` is none of `names`: with the nearest of them, or else all of them."""
        options = list(names)
        near = nearest_name(name, options)
        return self.problem(parts, said, of_value=of_value, nearest=near, expected="" if near else listed(options))

    def canonical(self, name: str) -> CanonicalField | None:
        """The canonical field of that name, where the schema is known and has it."""
        return self.schema.fields.get(name) if self.schema else None
