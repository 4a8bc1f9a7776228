"""Which of their columns is which of our fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines.mapping.canonical import CanonicalEntity, CanonicalField
from pipelines.mapping.sample.looks import epoch_format, yes_no
from pipelines.mapping.sample.names import ENTITIES, MODIFIED, SURE, alike, likeness
from pipelines.mapping.sample.paths import Column, words

_LOOKS: dict[str, tuple[str, ...]] = {
    "email": ("email", "empty"),
    "phone": ("phone", "integer", "empty"),
    "money": ("integer", "decimal", "empty"),
    "decimal": ("integer", "decimal", "empty"),
    "integer": ("integer", "empty"),
    "date": ("date", "timestamp", "empty"),
    "timestamp": ("date", "timestamp", "empty"),
    "boolean": ("boolean", "empty"),
    "enum": ("text", "integer", "empty"),
    "text": ("text", "integer", "decimal", "phone", "date", "empty"),
}


@dataclass
class Guess:
    """One entity, guessed from a sample."""

    schema: CanonicalEntity
    id: Column | None
    modified: Column | None
    fields: dict[str, Column] = field(default_factory=dict)
    references: dict[str, Column] = field(default_factory=dict)
    left: list[Column] = field(default_factory=list)


def guess(columns: list[Column], schemas: Mapping[str, CanonicalEntity], hints: list[str]) -> Guess:
    """The entity whose fields fit best; `hints` are names under which the records stood."""
    guesses = [_as_entity(columns, schema) for schema in schemas.values()]
    return max(guesses, key=lambda g: len(g.fields) + 4 * _is_hinted(g.schema, hints))


def _is_hinted(schema: CanonicalEntity, hints: list[str]) -> bool:
    called = {schema.entity, schema.singular, *ENTITIES.get(schema.entity, ())}
    return any(set(words(hint).split()) & called for hint in hints)


def _as_entity(columns: list[Column], schema: CanonicalEntity) -> Guess:
    result = Guess(schema, _id(columns, schema), _modified(columns))
    taken = [c for c in (result.id, result.modified) if c is not None]
    scored = [
        (score, -position, name, column)
        for name, canonical in schema.fields.items()
        for position, column in enumerate(columns)
        if column not in taken and (score := _score(name, canonical, column)) >= SURE
    ]
    used: list[Column] = list(taken)
    for _, _, name, column in sorted(scored, key=lambda s: (-s[0], -s[1], s[2])):
        # A list may fill a list and, by its first member, a single field; nothing else is used twice.
        if name not in result.fields and (column not in used or column.each is not None):
            result.fields[name] = column
            used.append(column)
    _by_looks_alone(result, columns, used)
    result.fields = {name: result.fields[name] for name in schema.fields if name in result.fields}
    result.references = _references(schema, [c for c in columns if c not in used])
    result.left = [c for c in columns if c not in [*used, *result.references.values()]]
    return result


def _references(schema: CanonicalEntity, columns: list[Column]) -> dict[str, Column]:
    """What points at records of another entity: it can only be mapped once the mapping has that one, too."""
    found: dict[str, Column] = {}
    for name, canonical in schema.fields.items():
        free = [c for c in columns if c not in found.values() and c.look.kind in ("integer", "text")]
        fitting = [(likeness(name, canonical, c.names), -i) for i, c in enumerate(free)] if canonical.to else []
        score, position = max(fitting, default=(0.0, 0))
        if score >= SURE:
            found[name] = free[-position]
    return found


def _by_looks_alone(result: Guess, columns: list[Column], used: list[Column]) -> None:
    """An e-mail address is one whatever it is called."""
    for name in ("email", "phone"):
        if name in result.schema.fields and name not in result.fields:
            alone = (c for c in columns if c not in used and c.each is None and c.look.kind == name)
            in_list = (c for c in columns if c.each is not None and c.look.kind == name)
            column = next(alone, None) or next(in_list, None)
            if column is not None:
                result.fields[name] = column
                used.append(column)


def _score(name: str, canonical: CanonicalField, column: Column) -> float:
    if canonical.to is not None or (canonical.type == "list" and column.each is None):
        return 0.0
    if not _fits(canonical.of or canonical.type, column):
        return 0.0
    is_far = column.each is not None and canonical.type != "list"
    return likeness(name, canonical, column.names) - (0.06 if is_far else 0.0) - 0.01 * column.path.count(".")


def _fits(kind: str, column: Column) -> bool:
    if column.look.kind in _LOOKS.get(kind, ()):
        return True
    if kind == "boolean":
        return yes_no(column.values) is not None
    return kind in ("date", "timestamp") and epoch_format(column.values) is not None


def _id(columns: list[Column], schema: CanonicalEntity) -> Column | None:
    """The shortest path that is called an id, is filled in every record and never the same twice."""
    wanted = ("id", "uuid", "key", "record id", f"{schema.singular} id", "guid", "object id", "hs object id")
    plain = [c for c in columns if c.each is None and c.look.kind in ("integer", "text", "phone")]
    unique = [c for c in plain if len({str(v) for v in c.values}) == len(c.values) and None not in c.values]
    named = [c for c in unique if c.names[0] in wanted]
    return min(named, key=lambda c: (c.path.count("."), wanted.index(c.names[0])), default=None)


def _modified(columns: list[Column]) -> Column | None:
    times = [c for c in columns if c.each is None and _fits("timestamp", c) and c.look.kind != "empty"]
    scored = [(max(alike(m, name) for m in MODIFIED for name in c.names), -i) for i, c in enumerate(times)]
    best = max(scored, default=(0.0, 0))
    return times[-best[1]] if best[0] >= SURE else None
