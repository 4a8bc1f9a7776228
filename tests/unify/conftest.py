"""A world of staged records, written by hand."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def load_helper() -> Any:
    """The helper beside this file; tests are no package."""
    name = "crosswalk_staged_world"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("staged_world.py"))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


staged_world = load_helper()


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
