"""The owners that have data."""

from __future__ import annotations

import os
from pathlib import Path

from pipelines.connections.owner import SERVICE_OWNER, Owner
from pipelines.connections.project import Project, find_project
from pipelines.connections.resolve import DEFAULT_OWNER, SANDBOX_OWNER


def owners_with_state(data_dir: Path | None) -> list[Owner]:
    """Owners whose state is there, by name."""
    found = owners_in(find_project(data_dir=data_dir).data_dir)
    return [owner for owner in found if owner.name != SERVICE_OWNER]


def service_in(data: Path) -> Owner | None:
    """The service itself, where it has ever run on this data."""
    return next((owner for owner in owners_in(data) if owner.name == SERVICE_OWNER), None)


def owners_in(data: Path) -> list[Owner]:
    """Everybody whose state is there, the service itself among them.

    States in PostgreSQL leave no file here, but every owner has a folder.
    """
    in_folders = not os.environ.get("DATABASE_URL", "").strip()
    names = {
        path.name for path in data.glob("*") if path.is_dir() and ((path / "state.sqlite").exists() or not in_folders)
    }
    return [Owner(name, data) for name in sorted(names) if name == SERVICE_OWNER or name[0] not in "._"]


def owner_with_data(project: Project, name: str | None) -> Owner:
    """The owner of that name; without one the default owner if it has data, or else the sandbox's."""
    owners = [Owner(one, project.data_dir) for one in ([name] if name else [DEFAULT_OWNER, SANDBOX_OWNER])]
    return next((owner for owner in owners if owner.warehouse.exists()), owners[-1])
