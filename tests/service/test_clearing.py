"""`POST /cache/clear`: no guard trips over what was forgotten, nor over its coming back (law L10)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import raw_log
from raw_log import Version

from pipelines.connections.owner import Owner
from pipelines.push import guards
from pipelines.state import baselines
from pipelines.state.database import State, open_state

OTHER = {("contacts", "filled:south.email"): 80.0, ("contacts", "records:south"): 90.0}
NORTH = {("contacts", "filled:north.email"): 800.0, ("contacts", "records:north"): 900.0}
GOLDEN = ("contacts", "golden:")


@pytest.fixture
def state(tmp_path: Path, database: str) -> Iterator[State]:
    """A state in which two sources and their thousand golden records are normal."""
    del database  # it is where the state lies
    owner = Owner("ann", tmp_path / "data")
    with open_state(owner) as state:
        raw_log.log(owner, "north", "contacts", [Version("1", {})])
        for name in ("north", "south"):
            baselines.save(state, name, "run-1", {**OTHER, **NORTH, GOLDEN: 1000.0})
        yield state


def grown(state: State, golden: float) -> list[str]:
    """What the guard of the other connection's push says to so many golden records."""
    connection = raw_log.connect(state.owner, {"email": "email"}, name="south")
    stats = {"/".join(key): value for key, value in {**OTHER, **NORTH, GOLDEN: golden}.items()}
    return guards.tripped(connection, {}, baselines.load(state, "south"), stats)


def test_what_is_cleared_and_comes_back_is_no_growth(state: State) -> None:
    assert grown(state, 1000) == []
    assert len(grown(state, 2000)) == 1, "the guard is at work"
    state.owner.raw("north").unlink()
    baselines.forget_sources(state, ["north"])
    assert baselines.load(state, "north") == {}
    assert baselines.load(state, "south") == OTHER
    baselines.save(state, "south", "run-2", {**OTHER, GOLDEN: 100.0})  # the other is pushed meanwhile
    assert GOLDEN not in baselines.load(state, "south")
    raw_log.log(state.owner, "north", "contacts", [Version("1", {})])
    assert grown(state, 1000) == []
    baselines.save(state, "south", "run-3", {**OTHER, **NORTH, GOLDEN: 1000.0})
    assert baselines.load(state, "south")[GOLDEN] == 1000
    assert len(grown(state, 2000)) == 1, "and then it is at work again"
