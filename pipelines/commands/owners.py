"""The owners that have data."""

from __future__ import annotations

from pathlib import Path

from pipelines.connections.owner import Owner
from pipelines.connections.project import find_project


def owners_with_state(data_dir: Path | None) -> list[Owner]:
    """Owners whose state is there, by name."""
    data = find_project(data_dir=data_dir).data_dir
    return [Owner(p.parent.name, data) for p in sorted(data.glob("*/state.sqlite"))]
