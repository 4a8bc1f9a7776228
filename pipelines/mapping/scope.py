"""What the rules about one entity look at."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from pipelines.mapping.canonical import CanonicalEntity, CanonicalField
from pipelines.mapping.document import Document, Parts
from pipelines.mapping.language import Entity
from pipelines.mapping.problems import Problem, listed, nearest_name


@dataclass(frozen=True)
class Known:
    """Names registered elsewhere (`pipelines/wire/`); None: not checked.

    `arguments` holds, by the name of an authentication type or a paginator, its keys and whether it needs them.
    """

    auths: frozenset[str] | None = None
    paginators: frozenset[str] | None = None
    readers: frozenset[str] | None = None
    webhook_schemes: frozenset[str] | None = None
    arguments: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        auths: Mapping[str, Callable[..., object]],
        paginators: Mapping[str, Callable[..., object]],
        readers: Iterable[str] | None = None,
        webhook_schemes: Iterable[str] | None = None,
    ) -> Known:
        """From the registries themselves: what they are made with is what a mapping may say."""
        return cls(
            auths=frozenset(auths),
            paginators=frozenset(paginators),
            readers=None if readers is None else frozenset(readers),
            webhook_schemes=None if webhook_schemes is None else frozenset(webhook_schemes),
            arguments={name: _arguments(made_by) for name, made_by in {**auths, **paginators}.items()},
        )


def _arguments(made_by: Callable[..., object]) -> dict[str, bool]:
    """The arguments of a callable by name, and whether it needs them; none where it takes any."""
    parameters = inspect.signature(made_by).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return {}
    return {p.name: p.default is p.empty for p in parameters}


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
