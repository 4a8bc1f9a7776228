"""Which of their fields a mapping needs, in the CRM's own names: what `{fields}` stands for."""

from __future__ import annotations

import re

from pipelines.mapping.language import Entity, Extract, places


def wanted_fields(entity: Entity, extract: Extract) -> list[str]:
    """The CRM's names of what the mapping reads, and `also_fields`, in order, without repetition.

    A name that is part of a longer text in `also_fields`, such as a sub-query, is asked for by that text.
    """
    paths = [p for p in [*_paths(entity), *_told(entity)] if p]
    under = f"{extract.fields_under}." if extract.fields_under else ""
    names = [p.removeprefix(under).split(".")[0] for p in paths if p.startswith(under)]
    texts = [t for t in extract.also_fields if not re.fullmatch(r"[\w.$]+", t)]
    plain = [n for n in names if not any(re.search(rf"\b{re.escape(n)}\b", t) for t in texts)]
    return list(dict.fromkeys([*plain, *extract.also_fields]))


def _paths(entity: Entity) -> list[str | None]:
    found: list[str | None] = []
    for one in entity.fields.values():
        found += [one.each, one.split, *(one.first_of or []), *(one.join or [])]
        found += [one.path] if one.each is None else []
        found += [path for slot in one.slots for path in slot]
    return [*found, *(path for choice in entity.custom.values() for path in places(choice))]


def _told(entity: Entity) -> list[str | None]:
    """What the version log needs: id, time of change, and what says that a record is deleted."""
    gone = entity.deleted.when if entity.deleted else None
    merged = entity.deleted.merged if entity.deleted else None
    return [*(path for part in entity.key for path in part), entity.modified, *(gone or {}), merged]


def plain_fields(entity: Entity) -> list[str]:
    """Those names alone: a sub-query, which a list may be asked for, is no field of a single record."""
    return [name for name in wanted_fields(entity, entity.extract) if re.fullmatch(r"[\w.$]+", name)]
