"""The owners that have data."""

from __future__ import annotations

from pathlib import Path

from pipelines.connections.owner import Owner
from pipelines.connections.project import Project, find_project
from pipelines.connections.resolve import DEFAULT_OWNER, SANDBOX_OWNER


def owners_with_state(data_dir: Path | None) -> list[Owner]:
    """Owners whose state is there, by name."""
    data = find_project(data_dir=data_dir).data_dir
    return [Owner(p.parent.name, data) for p in sorted(data.glob("[!_]*/state.sqlite"))]


def owner_with_data(project: Project, name: str | None) -> Owner:
    """The owner of that name; without one the default owner if it has data, or else the sandbox's."""
    owners = [Owner(one, project.data_dir) for one in ([name] if name else [DEFAULT_OWNER, SANDBOX_OWNER])]
    return next((owner for owner in owners if owner.warehouse.exists()), owners[-1])
