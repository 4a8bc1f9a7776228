"""What a user sets for a source: kept in their state, and carried out by the schedules."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from pipelines.connections.owner import Owner
from pipelines.service.schedules import get_schedule, remove_schedule, set_schedule
from pipelines.state import source_settings
from pipelines.state.source_settings import SourceSettings

if TYPE_CHECKING:
    from pipelines.service.context import Context


def settings_of(context: Context, owner: Owner, source: str) -> SourceSettings:
    """What holds for a source; its interval is that of its schedule."""
    said = source_settings.load(context.state_of(owner)).get(source, SourceSettings())
    planned = get_schedule(context, owner.name, source)
    return replace(said, interval_minutes=planned.interval_minutes) if planned else said


def change_settings(context: Context, owner: Owner, source: str, changes: dict[str, Any]) -> SourceSettings:
    """Changes some of it; a source that is not enabled is not synced by its schedule."""
    said = replace(settings_of(context, owner, source), **changes)
    source_settings.save(context.state_of(owner), source, said)
    if "interval_minutes" in changes or "enabled" in changes:
        if said.interval_minutes is None:
            planned = get_schedule(context, owner.name, source)
            if planned is not None and planned.cron is not None and "interval_minutes" not in changes:
                set_schedule(context, owner.name, source, cron=planned.cron, enabled=said.enabled)
            else:
                remove_schedule(context, owner.name, source)
        else:
            interval = said.interval_minutes
            set_schedule(context, owner.name, source, interval_minutes=interval, enabled=said.enabled)
    return said


def told(said: SourceSettings) -> dict[str, Any]:
    """As the contract has it."""
    return asdict(said)
