"""A world of staged records, written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import staged_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Any]:
    """All entities; contacts with the same nickname are one."""
    world = staged_world.World(tmp_path, find=staged_world.by("nickname"))
    yield world
    world.close()


@pytest.fixture(scope="session")
def contact() -> Any:
    """Makes one staged record: `contact("a:1", email="x@y.z", at=3, edits={"email": 5})`."""
    return staged_world.contact


@pytest.fixture(scope="session")
def helper() -> Any:
    """The helper module: World, contact, only, by, day."""
    return staged_world
