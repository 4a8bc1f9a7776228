"""Fingerprints of what mappings and schemas mean, so that a change rebuilds what it touches and nothing else.

Comments, order of keys, line breaks and descriptions do not count; nor does a value that is written out though it is
the default.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from typing import Any

from pydantic import BaseModel

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.mapping.language import Entity, Mapping, places

# Increased when the same words come to mean something else.
LANGUAGE = 1
_SAID_TO_PEOPLE = frozenset({"assumptions", "description", "label", "questions", "says"})
# Parts of a field that say how it is written, not how it is read.
_WRITTEN = frozenset({"write", "write_to", "write_format", "write_values", "new", "owner", "unique"})


def extract_fingerprint(mapping: Mapping, entity: str) -> str:
    """Changes when other records, or other versions of them, would be read: then the whole set is read again.

    Not when only speed, login or limits change.
    """
    block = mapping.entities[entity]
    parts = _meaning(block, {"extract", "id", "only_with", "modified", "deleted"})
    parts["extract"].pop("windows", None)
    asked_for = _names_read(block) if "{fields}" in json.dumps(parts) else []
    return _hash([LANGUAGE, mapping.connection.kind, mapping.connection.path, parts, asked_for])


def fields_fingerprint(mapping: Mapping, entity: str) -> str:
    """Changes when staging would hold something else for the same raw versions. `push` does not count."""
    block = mapping.entities[entity]
    parts = _meaning(block, {"id", "modified", "where", "custom"})
    fields = {name: _meaning(field, set(type(field).model_fields) - _WRITTEN) for name, field in block.fields.items()}
    when = block.deleted.when if block.deleted else None
    connection = _meaning(mapping.connection, {"phone_region", "currency", "timezone"})
    return _hash([LANGUAGE, connection, parts, fields, when])


def push_fingerprint(mapping: Mapping, entity: str) -> str:
    """Changes when a plan, or the calls that carry it out, would be different."""
    block: Entity = mapping.entities[entity]
    fields = {name: _meaning(field) for name, field in block.fields.items()}
    return _hash([LANGUAGE, fields, _meaning(block.push) if block.push else None, _meaning(block, {"get", "id"})])


def schema_fingerprint(schema: CanonicalEntity) -> str:
    """Changes when golden records or their checks would be different."""
    return _hash([LANGUAGE, _meaning(schema), list(schema.fields)])


def _names_read(entity: Entity) -> list[str]:
    """Their names of the mapped fields: some CRMs only answer with what is asked for."""
    named: set[str] = set()
    for field in entity.fields.values():
        named |= {str(p) for p in (field.path, field.each, field.split, field.sql) if p is not None}
        named |= set(field.first_of or []) | set(field.join or []) | {path for slot in field.slots for path in slot}
    return sorted(named | {path for choice in entity.custom.values() for path in places(choice)})


def _meaning(value: Any, keys: Collection[str] | None = None) -> Any:
    """The keys of a block that differ from their defaults, without what is only said to people, as plain values."""
    if isinstance(value, BaseModel):
        infos = type(value).model_fields
        wanted = [key for key in infos if key not in _SAID_TO_PEOPLE and (keys is None or key in keys)]
        said = {key: getattr(value, key) for key in wanted}
        return {key: _meaning(v) for key, v in said.items() if v != infos[key].get_default(call_default_factory=True)}
    if isinstance(value, dict):
        return {str(key): _meaning(member) for key, member in value.items()}
    return [_meaning(member) for member in value] if isinstance(value, list | tuple) else value


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
