"""From the body of a delivery to events, and from an event to what it asks for, as the mapping's `webhook` block says.

An event whose entity or id cannot be told raises `Unmappable`, with the reason for whoever looks at what was set aside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pipelines.extract.shape import select, steps
from pipelines.mapping.language import Mapping
from pipelines.mapping.webhook import Webhook

MICROSECONDS = 1_000_000


class Unmappable(Exception):  # noqa: N818 - says what was found
    """An event that the mapping cannot make anything of."""


@dataclass(frozen=True)
class Event:
    """One event as it is kept. `occurred_at`: us since 1970; what proves the sender is no longer in the body."""

    body: Any
    event_id: str | None = None
    occurred_at: int | None = None


@dataclass(frozen=True)
class Meaning:
    """What an event tells: of each entity ids to fetch, ids that are gone, or the record by its id."""

    fetch: list[tuple[str, str]] = field(default_factory=list)
    gone: list[tuple[str, str]] = field(default_factory=list)
    records: list[tuple[str, str, Any]] = field(default_factory=list)


def split(webhook: Webhook, body: Any) -> list[Event]:
    """The events of a body. A body that is not as the mapping says is one event, which will be set aside."""
    found, members = select(body, webhook.each)
    bare = _without(body, webhook.proof)
    if webhook.each is None or not found:
        return [_event(webhook, bare)]
    return [_event(webhook, member) for member in (members if isinstance(members, list) else [members])]


def _event(webhook: Webhook, body: Any) -> Event:
    paths = [webhook.event_id] if isinstance(webhook.event_id, str) else webhook.event_id or []
    parts = [select(body, path)[1] for path in paths]
    is_named = any(part not in (None, "") for part in parts)
    moment = select(body, webhook.occurred_at)[1] if webhook.occurred_at else None
    event_id = storable("|".join("" if part is None else str(part) for part in parts)) if is_named else None
    return Event(body, event_id, moment_us(moment))


def storable(text: str) -> str:
    """The text as every database takes it: no NUL, no half of a surrogate pair."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "?")


def _without(body: Any, path: str | None) -> Any:
    """The body without what stands at a path of it: a proof is never kept."""
    way = steps(path) if path else []
    if not way or not isinstance(body, dict) or way[0] not in body:
        return body
    key = str(way[0])
    if len(way) == 1:
        return {k: v for k, v in body.items() if k != key}
    return {**body, key: _without(body[key], ".".join(str(s) for s in way[1:]))}


def moment_us(value: Any) -> int | None:
    """A moment as CRMs write it (ISO 8601, or seconds, ms, us since 1970) in us; None where it says none."""
    if isinstance(value, bool) or value in (None, ""):
        return None
    if isinstance(value, int | float) or re.fullmatch(r"[0-9]{9,17}(\.[0-9]+)?", str(value)):
        number = float(value)
        scale = 1 if number > 1e14 else 1000 if number > 1e11 else MICROSECONDS
        return int(number * scale) if 0 < number < 1e18 else None
    try:
        moment = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return int(moment.timestamp() * MICROSECONDS)


def meaning(mapping: Mapping, event: Any) -> Meaning:
    """What an event asks for; an empty one is none of ours.

    Raises:
        Unmappable: the entity, the ids or the record cannot be told.
    """
    webhook = mapping.webhook
    if webhook is None:
        raise Unmappable("the mapping has no webhook")
    if not isinstance(event, dict):
        raise Unmappable("the event is no JSON object")
    kind = str(select(event, webhook.event)[1] or "") if webhook.event else ""
    if any(kind.startswith(prefix) for prefix in webhook.ignore):
        return Meaning()
    entities = _entities(webhook, kind)
    is_gone = _says_gone(webhook, event)
    if webhook.record is not None:
        return _payload(mapping, webhook, entities, event, is_gone=is_gone)
    ids = list(_ids(webhook, event))
    if not ids:
        raise Unmappable(f"no record id at {_told(webhook.record_ids)}")
    pairs = [(entity, i) for entity in entities for i in ids]
    return Meaning(gone=pairs) if is_gone else Meaning(fetch=pairs)


def _entities(webhook: Webhook, kind: str) -> list[str]:
    named = webhook.entity
    if isinstance(named, dict):
        fitting = [prefix for prefix in named if kind.startswith(prefix)]
        if not fitting:
            raise Unmappable(f"no entity for the event {kind[:80]!r}")
        return [named[max(fitting, key=len)]]
    return webhook.entities


def _says_gone(webhook: Webhook, event: Any) -> bool:
    tests = (webhook.deleted_when or {}).items()
    return any(str(select(event, path)[1]) in [str(v) for v in values] for path, values in tests)


def _ids(webhook: Webhook, event: Any) -> Iterator[str]:
    paths = [webhook.record_ids] if isinstance(webhook.record_ids, str) else webhook.record_ids or []
    for path in paths:
        value = select(event, path)[1]
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str | int) and not isinstance(one, bool) and str(one).strip():
                yield storable(str(one))


def _payload(mapping: Mapping, webhook: Webhook, entities: list[str], event: Any, *, is_gone: bool) -> Meaning:
    found, record = select(event, webhook.record)
    if not found or not isinstance(record, dict):
        raise Unmappable(f"no record at {webhook.record}")
    if record is event:  # what is only about the delivery is no part of the record
        about = [webhook.event_id, webhook.occurred_at]
        record = {k: v for k, v in record.items() if k not in about}
    told = Meaning()
    for entity in entities:
        block = mapping.entities[entity]
        if not all(select(record, path)[1] not in (None, "", [], {}) for path in block.only_with):
            continue
        source_id = record_id(block.key, record)
        if source_id is None:
            raise Unmappable(f"no id of {entity} at {', '.join(' or '.join(ways) for ways in block.key)}")
        if is_gone:
            told.gone.append((entity, source_id))
        else:
            told.records.append((entity, source_id, record))
    return told


def record_id(key: list[list[str]], record: Any) -> str | None:
    """A record's id, as the version log makes it: of each part the first place that holds a text or a number."""
    parts = []
    for ways in key:
        values = (select(record, path)[1] for path in ways)
        part = next((str(v) for v in values if isinstance(v, str | int | float) and str(v) and v is not True), None)
        parts += [part] if part is not None else []
    return storable("|".join(parts)) or None


def _told(paths: str | list[str] | None) -> str:
    return ", ".join([paths] if isinstance(paths, str) else paths or ["(the mapping names no place)"])
