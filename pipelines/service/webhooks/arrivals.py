"""A proven delivery as rows of the inbox: its events, what they mean checked at once, so that a fault shows early."""

from __future__ import annotations

from typing import Any

from pipelines.connections.connection import Connection
from pipelines.service.webhooks.events import Event, Unmappable, meaning, split
from pipelines.service.webhooks.inbox import Arrival


def arrivals_of(connection: Connection, body: Any) -> list[Arrival]:
    """One arrival for each event of a body that a connection's CRM sent; the mapping has a `webhook`."""
    webhook = connection.mapping.webhook
    assert webhook is not None, "only mappings with a webhook receive any"
    return [arrival_of(connection, event) for event in split(webhook, body)]


def arrival_of(connection: Connection, event: Event) -> Arrival:
    """An event with what the inbox has to know of it: which records it carries, or why nobody can tell."""
    webhook = connection.mapping.webhook
    scheme = webhook.scheme if webhook else ""
    records: list[tuple[str, str]] = []
    reason = None
    try:
        meant = meaning(connection.mapping, event.body)
        records = [(entity, source_id) for entity, source_id, _ in meant.records]
    except Unmappable as problem:
        reason = str(problem)
    return Arrival(
        connection.owner.name, connection.name, scheme, event.body, event.event_id, event.occurred_at, records, reason
    )
