"""The state in PostgreSQL: the server of TEST_DATABASE_URL, or one that the tests start."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import old_ledger
import own_postgres
import pyarrow as pa
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from echo_lines import echo_lines

from pipelines.commands.owners import owners_with_state
from pipelines.connections.owner import Owner
from pipelines.state import intents, ledger, push_tables, registry, service_more, service_tables, snapshot, version
from pipelines.state.columns import metadata
from pipelines.state.database import State, open_state
from pipelines.state.intents import Change, Intent
from pipelines.state.ledger import Outcome


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of TEST_DATABASE_URL, or of a server of our own (`tests/kit/own_postgres.py`)."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
        return
    with ExitStack() as running:
        try:
            found = running.enter_context(own_postgres.server())
        except own_postgres.NotHere as problem:
            pytest.skip(f"no tests on PostgreSQL: {problem}")
        yield f"{found}/postgres"


@pytest.fixture
def states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str) -> list[State]:
    monkeypatch.setenv("DATABASE_URL", server)
    return [open_state(Owner(f"{name}-{tmp_path.name}"[:60], tmp_path)) for name in ("Ann", "ann")]


def test_owners_are_apart_and_everything_comes_back(states: list[State]) -> None:
    ann, other = states
    since = pa.array([datetime(2026, 1, 1, tzinfo=UTC)], pa.timestamp("us", tz="UTC"))
    for golden in ("g1", "g9"):
        changes = pa.table({"record_key": ["n:1"], "golden_id": [golden], "since": since})
        registry.apply(ann, "contacts", changes)
    intent = Intent("i1", "r1", "n", "contacts", "create", "g5", None, (Change("f", None, '"v"', 5),))
    intents.open_all(ann, [intent])
    ledger.settle(ann, [Outcome(intent, "done", "n:5", 201, read_back={"f": '"V"'}, has_read_back=True)])
    assert registry.golden_of(ann, "contacts", ["n:1", "n:5"]) == {"n:1": "g9", "n:5": "g5"}
    again = Intent("i2", "r1", "n", "contacts", "update", "g5", "n:5", (Change("other", None, '"w"'),))
    intents.open_all(ann, [again])
    ledger.settle(ann, [Outcome(again, "done", "n:5")])
    assert [(row["field"], row["read_back"]) for row in echo_lines(ann, "contacts")] == [("f", '"V"'), ("other", '"w"')]
    assert registry.golden_of(other, "contacts", ["n:1"]) == {}
    assert snapshot.snapshot(ann, duckdb.connect())["sync.ledger"] == 2
    assert snapshot.snapshot(other, duckdb.connect())["sync.ledger"] == 0


def test_migrations_make_exactly_the_tables_the_program_knows(states: list[State]) -> None:
    assert {t.metadata for t in (push_tables.ledger, service_tables.jobs, service_more.forgotten)} == {metadata}
    with states[0].read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert version.stamped(connection) == version.head()


def test_commands_for_all_owners_find_them(states: list[State], tmp_path: Path) -> None:
    Owner("_service", tmp_path).root.mkdir()
    assert [owner.name for owner in owners_with_state(tmp_path)] == sorted(state.owner.name for state in states)


def test_an_older_ledger_keeps_its_lines(states: list[State], tmp_path: Path) -> None:
    old_ledger.make(states[0])
    with open_state(Owner(f"Ann-{tmp_path.name}"[:60], tmp_path)) as upgraded:
        kept = [tuple(line[name] for name in old_ledger.COLUMNS[1:]) for line in ledger.of_run(upgraded, "r1")]
        assert sorted(kept, key=repr) == sorted((line[1:] for line in old_ledger.LINES), key=repr)
        assert echo_lines(upgraded, "contacts") == old_ledger.echoes_as_lines()
        assert len(echo_lines(upgraded, "contacts", rewritten=True)) == 2
        intents.open_all(upgraded, [intent := Intent("i9", "r2", "n", "contacts", "update", "g1", "n:1", ())])
        ledger.settle(upgraded, [Outcome(intent, "done", "n:1")])
        assert snapshot.snapshot(upgraded, duckdb.connect())["sync.ledger"] == 6
