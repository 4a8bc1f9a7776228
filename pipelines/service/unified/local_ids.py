"""Ids of what is entered here: callers may name records by golden id, we keep record keys, which no merge changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.service.errors import ServiceError
from pipelines.service.unified.local import full_key
from pipelines.state import local_records, registry
from pipelines.state.database import State
from pipelines.state.local_records import LocalRecord
from pipelines.state.tables import golden_ids as registered
from pipelines.state.tables import redirects

PREFIX = "local:"


def golden_ids(state: State, entity: str, records: list[LocalRecord]) -> dict[str, str]:
    """The golden ids of records, by record key; one that was not unified yet has none."""
    return registry.golden_of(state, entity, [one.key for one in records])


def record_id_of(state: State, entity: str, said: str) -> str:
    """The id here of what a caller named by it, or by a golden id."""
    keys = [key for key in _keys(state, entity, said) if key.startswith(PREFIX)]
    return keys[0].removeprefix(PREFIX) if keys else said


def kept_references(state: State, schema: CanonicalEntity, fields: dict[str, Any]) -> dict[str, Any]:
    """References as record keys.

    Raises:
        ServiceError: 400, a record is named that is not there.
    """
    found = dict(fields)
    for name, field in schema.fields.items():
        if field.to is None or fields.get(name) is None:
            continue
        value = fields[name]
        members = value if isinstance(value, list) else [value]
        keys = [_key(state, field.to, name, str(member)) for member in members]
        found[name] = keys if isinstance(value, list) else keys[0]
    return found


def shown_references(state: State, schema: CanonicalEntity, record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with golden ids in place of record keys, where there are any."""
    found = dict(record)
    for name, field in schema.fields.items():
        if field.to is None or record.get(name) is None:
            continue
        value = record[name]
        keys = [full_key(str(one)) for one in (value if isinstance(value, list) else [value])]
        known = registry.golden_of(state, field.to, keys)
        ids = [known.get(key, key.removeprefix(PREFIX)) for key in keys]
        found[name] = ids if isinstance(value, list) else ids[0]
    return found


def _key(state: State, entity: str, name: str, said: str) -> str:
    if local_records.get(state, entity, said.removeprefix(PREFIX)) is not None:
        return PREFIX + said.removeprefix(PREFIX)
    keys = _keys(state, entity, said)
    if not keys:
        message = f"there is no record {said[:80]!r} in {entity}"
        raise ServiceError(400, "Invalid fields", details=[{"field": name, "message": message}])
    return next((key for key in keys if key.startswith(PREFIX)), keys[0])


def _keys(state: State, entity: str, said: str) -> list[str]:
    """Record keys of a golden id, one that was merged into another included, or the key itself."""
    c, r = registered.c, redirects.c
    lives = sa.select(r.to_id).where(r.entity == entity, r.from_id == said)
    query = sa.select(c.record_key).where(
        c.entity == entity, sa.or_(c.golden_id == said, c.golden_id.in_(lives), c.record_key == said)
    )
    with state.read() as connection:
        return [str(key) for (key,) in connection.execute(query.order_by(c.record_key).limit(100))]
