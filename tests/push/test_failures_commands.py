"""`crosswalk failures` lists what did not come through, and why; `crosswalk retry` lets it be tried again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.commands.failures_command import app as failures
from pipelines.commands.retry_command import app as retry
from pipelines.connections.owner import Owner
from pipelines.state import intents, ledger
from pipelines.state.database import open_state

STATUSES = ("failed", "dead", "uncertain")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a write of each kind that did not come through."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with open_state(Owner("ann", tmp_path)) as state:
        changes = (intents.Change("first_name", '"Old"', '"New"'),)
        shared = ("r1", "north", "contacts", "update")
        made = {
            status: intents.Intent(f"i-{status}", *shared, f"g-{status}", f"north:{status}", changes)
            for status in STATUSES
        }
        intents.open_all(state, list(made.values()))
        ends = [ledger.Outcome(one, status, one.record_key, 422, f"why it is {status}") for status, one in made.items()]
        ledger.settle(state, ends)
    return tmp_path


def said(app: object, data: Path, *words: str) -> str:
    done = CliRunner().invoke(app, [*words, "--data-dir", str(data)])  # type: ignore[arg-type]
    assert done.exit_code == 0, done.output
    return done.output


def test_failures_say_what_and_why(data: Path) -> None:
    told = said(failures, data)
    for status in STATUSES:
        assert f"{status:<9} north contacts north:{status}: why it is {status} (attempt 1)" in told
    assert told.endswith("3 open failures\n")
    assert said(failures, data, "south") == "no open failures\n"
    whole = json.loads(said(failures, data, "--json"))
    assert {(one["owner"], one["status"], one["payload"]["changes"][0][0]) for one in whole} == {
        ("ann", status, "first_name") for status in STATUSES
    }


def test_retry_releases_all_but_the_uncertain_which_has_to_be_named(data: Path) -> None:
    assert said(retry, data).startswith("2 writes will be tried again")
    assert {one["status"] for one in json.loads(said(failures, data, "--json"))} == {"failed", "uncertain"}
    assert said(retry, data, "--intent", "i-uncertain").startswith("1 writes will be tried again")
    assert {(one["status"], one["attempt"]) for one in json.loads(said(failures, data, "--json"))} == {("failed", 0)}
