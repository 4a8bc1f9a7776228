"""A state of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.connections.owner import Owner
from pipelines.state.database import State, open_state


@pytest.fixture
def owner(tmp_path: Path) -> Owner:
    return Owner("ann", tmp_path)


@pytest.fixture
def state(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> Iterator[State]:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with open_state(owner) as opened:
        yield opened
