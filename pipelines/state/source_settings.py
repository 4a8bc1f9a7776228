"""What an owner has set for a source: whether it is synced with all the others, and how often."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Column, Integer, Table

from pipelines.state import rows
from pipelines.state.columns import metadata, text
from pipelines.state.database import State
from pipelines.state.service_tables import flag

source_settings = Table(
    "source_settings",
    metadata,
    text("source", key=True),
    flag("enabled", default=True),
    Column("interval_minutes", Integer),
    Column("cache_ttl_minutes", Integer),
)


@dataclass(frozen=True)
class SourceSettings:
    """`interval_minutes` None: synced when somebody asks.

    `cache_ttl_minutes`: who reads older records than that makes the service pull them again; None: nobody does.
    """

    enabled: bool = True
    interval_minutes: int | None = None
    cache_ttl_minutes: int | None = None


def load(state: State) -> dict[str, SourceSettings]:
    """All that was set, by source."""
    c = source_settings.c
    with state.read() as connection:
        found = connection.execute(sa.select(c.source, c.enabled, c.interval_minutes, c.cache_ttl_minutes))
        return {str(source): SourceSettings(bool(enabled), *rest) for source, enabled, *rest in found}


def save(state: State, source: str, said: SourceSettings) -> None:
    """Sets a source's, replacing what was set."""
    with state.write() as connection:
        values = (source, said.enabled, said.interval_minutes, said.cache_ttl_minutes)
        rows.upsert(connection, source_settings, [values])
