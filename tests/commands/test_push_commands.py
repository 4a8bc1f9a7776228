"""Plan, apply, undo, and the operator's switches, as they are typed: one office, read once, in this process."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.cli import main
from pipelines.connections.owner import Owner
from pipelines.sandbox.handle import SandboxHandle, start
from pipelines.state import baselines, runs
from pipelines.state.database import open_state

Typed = Callable[..., tuple[int, str, str]]


@dataclass
class Place:
    """A data folder and the emulated CRM that belongs to it."""

    data: Path
    sandbox: SandboxHandle
    owner: str = "sandbox"

    @property
    def state(self) -> Path:
        return self.data / self.owner / "state.sqlite"


def typing(place: Place, capsys: pytest.CaptureFixture[str]) -> Typed:
    def typed(*words: Any) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in (*words, "--data-dir", place.data)])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return typed


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    data = tmp_path_factory.mktemp("office") / "data"
    with start(data / "sandbox", ["brivity", "hubspot"], size=40) as handle:
        with pytest.raises(SystemExit) as ended:
            main(
                [
                    "run",
                    "brivity",
                    "hubspot",
                    "--push",
                    "off",
                    "--stages",
                    "extract,staging,unify",
                    "--data-dir",
                    str(data),
                ]
            )
        assert ended.value.code == 0
        yield Place(data, handle)


@pytest.fixture
def typed(place: Place, capsys: pytest.CaptureFixture[str]) -> Typed:
    return typing(place, capsys)


def test_a_plan_in_every_shape_and_not_a_byte_is_changed(place: Place, typed: Typed, tmp_path: Path) -> None:
    before = contents(place)
    files = {name: tmp_path / f"plan.{name}" for name in ("html", "csv", "out")}
    code, out, _ = typed("plan", "brivity", *(word for name, path in files.items() for word in (f"--{name}", path)))
    assert code == 0
    assert out.startswith("Plan for brivity: ")
    assert "to update" in out.splitlines()[0]
    code, detailed, _ = typed("plan", "brivity", "--details")
    assert len(detailed.splitlines()) > len(out.splitlines())
    code, said, _ = typed("plan", "brivity", "--json", "--details")
    told = json.loads(said)
    assert told["headline"] == out.splitlines()[0]
    assert [row["entity"] for row in told["summary"]] == ["contacts", "deals"]
    with files["csv"].open() as lines:
        assert len(list(csv.DictReader(lines))) == len(told["details"])
    page = files["html"].read_text()
    assert page.startswith("<!doctype html>")
    assert "http" not in page.replace("http-equiv", "")  # nothing is fetched from elsewhere
    assert json.loads(files["out"].read_text())["plan_id"]
    assert contents(place) == before


def test_what_is_not_asked_for_is_staged_as_when_it_is(place: Place, typed: Typed) -> None:
    """Its currency comes from a variable with a default, whichever connections a run names."""
    query = "select distinct currency from staging.hubspot__deals where amount is not null"
    warehouse = place.data / place.owner / "warehouse.duckdb"
    code, out, _ = typed("run", "brivity", "--push", "off", "--stages", "staging,unify", "--json")
    assert code == 0
    with duckdb.connect(str(warehouse), read_only=True) as con:
        assert con.execute(query).fetchall() == [("USD",)]
    staged = [row for row in json.loads(out)["rows"] if (row["stage"], row.get("connection")) == ("staging", "hubspot")]
    assert not any(row["changed"] for row in staged)


def contents(place: Place) -> dict[Path, bytes]:
    """All files of the owner but those of locks, which say who is at work."""
    root = place.data / place.owner
    return {
        path.relative_to(root): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and "locks" not in path.parts
    }


def test_a_plan_that_cannot_be_written_is_said_in_one_line(typed: Typed, tmp_path: Path) -> None:
    for word in ("--out", "--html", "--csv"):
        code, out, err = typed("plan", "brivity", word, tmp_path / "nowhere" / "plan")
        assert (code, out) == (2, "")
        assert err.splitlines()[-1].startswith("the plan cannot be written: ")


def test_a_saved_plan_takes_no_pilot(typed: Typed, tmp_path: Path) -> None:
    saved = tmp_path / "plan.json"
    assert typed("plan", "brivity", "--limit", "1", "--out", saved)[0] == 0
    code, _, err = typed("apply", "brivity", "--plan", saved, "--limit", "2")
    assert code == 2
    assert "--plan applies exactly what was saved" in err
    code, _, err = typed("apply", "hubspot", "--plan", saved)
    assert code == 2


@pytest.mark.parametrize("command", ["plan", "apply", "run"])
def test_a_pilot_of_nobody_is_a_slip_of_the_pen(typed: Typed, command: str) -> None:
    code, out, err = typed(command, "brivity", "--only", "nobody")
    assert code == 2
    assert "--only nobody: there is no such record in brivity" in out + err


def test_an_operator_holds_back_and_the_plan_says_so(typed: Typed) -> None:
    _, said, _ = typed("plan", "brivity", "--json", "--details")
    first = next(row["record"] for row in json.loads(said)["details"] if row["action"] == "update")
    record = first.partition(":")[2]
    assert typed("never", "brivity", "contacts", record, "--why", "the mayor")[:2] == (
        0, "brivity: 1 contacts are never synced\n",
    )  # fmt: skip
    assert typed("pilot", "brivity", "--limit", "3")[1] == "brivity: pilot: at most 3 records of an entity\n"
    assert typed("pilot", "brivity")[0] == 2
    _, out, _ = typed("plan", "brivity")
    assert {"pilot: at most 3 records of an entity", "never synced: 1 records"} <= set(out.splitlines())
    assert "never synced: the mayor" in typed("plan", "brivity", "--details")[1]
    assert "brivity contacts " + record in typed("show")[1]
    typed("pause", "brivity", "--why", "holidays")
    assert "nothing to write" in typed("plan", "brivity")[1]
    assert "paused: holidays" in typed("plan", "brivity")[1]
    assert typed("apply", "brivity")[0] == 0
    typed("pause", "brivity", "--off")
    typed("pilot", "brivity", "--off")
    typed("never", "brivity", "contacts", record, "--off")
    assert typed("pause", "nosuch")[0] == 2
    assert first in typed("plan", "brivity", "--details")[1]


def bare(value: Any) -> str:
    """A value but for case and punctuation: what we write we write in our own way."""
    return "".join(letter for letter in str(value).casefold() if letter.isalnum())


def test_a_saved_plan_is_applied_as_it_was_and_undone(place: Place, typed: Typed, tmp_path: Path) -> None:
    def held() -> dict[str, Any]:
        found = place.sandbox.admin("GET", "brivity/records?entity=contacts")
        drop = {"updated_at", "modified_at", "last_modified", "updated"}
        return {one["id"]: {k: v for k, v in one["body"].items() if k not in drop} for one in found}

    before = held()
    saved = tmp_path / "plan.json"
    typed("plan", "brivity", "--out", saved)
    rows = json.loads(saved.read_text())["rows"]
    ids = {id for id, entity, action in zip(rows["source_id"], rows["entity"], rows["action"], strict=True)
           if (entity, action) == ("contacts", "update")}  # fmt: skip
    edited = min(ids)
    place.sandbox.admin("PATCH", f"brivity/records/contacts/{edited}", {"first_name": "Edited"})
    code, out, _ = typed("apply", "brivity", "--plan", saved, "--json")
    report = json.loads(out)
    pushed = next(row for row in report["rows"] if row["stage"] == "push" and row["entity"] == "contacts")
    assert (code, pushed["pushed"], pushed["unchanged"]) == (0, len(ids) - 1, 1)  # the edited one was left alone
    assert held()[edited]["first_name"] == "Edited"
    why = "changed in the CRM since it was read; planned anew at the next run"
    assert f"[Brivity] 1 records left as they are: {why}" in report["messages"]
    again = json.loads(typed("apply", "brivity", "--plan", saved, "--json")[1])
    assert all(not row.get("pushed") for row in again["rows"])
    # nothing is read in between: what was written is known, neither planned again nor taken for an edit of theirs
    left = json.loads(typed("plan", "brivity", "--json", "--details")[1])["details"]
    assert {row["record"] for row in left if row["action"] == "update"} == {f"brivity:{edited}"}
    assert any(row["why"] == f"written by run {report['run_id']}; not read again since" for row in left)
    code, shown, _ = typed("revert", report["run_id"])
    assert code == 0
    assert shown.startswith(f"Undo of run {report['run_id']} in brivity: ")
    assert typed("revert", report["run_id"], "--apply")[0] == 0
    after = held()
    changed = {
        (id, key, value, after[id].get(key))
        for id, body in before.items()
        for key, value in body.items()
        if id != edited and bare(after[id].get(key)) != bare(value)
    }
    assert changed == set()


def test_the_undo_of_a_run_that_never_was_names_the_nearest(place: Place, typed: Typed) -> None:
    with open_state(Owner("sandbox", place.data)) as state:
        known = runs.last(state, 1)[0]["run_id"]
    code, _, err = typed("revert", known[:-1] + "x")
    assert code == 2
    assert f"there is no run {known[:-1]}x; the nearest: {known}" in err


def test_a_plan_over_a_guard_stops_until_it_is_meant(
    place: Place, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in place.sandbox.environment("brivity").items():
        monkeypatch.setenv(name, value)
    real = Place(tmp_path / "data", place.sandbox, "default")
    typed = typing(real, capsys)
    place.sandbox.admin("POST", "reset", {"crm": "brivity"})
    typed("run", "brivity", "--push", "off", "--stages", "extract,staging,unify")
    assert typed("plan", "brivity")[0] == 0  # nothing is normal yet
    with open_state(Owner("default", real.data)) as state:
        baselines.save(state, "brivity", "r0", {("", "synced_at"): 1.0, ("contacts", "records:brivity"): 9000.0})
    code, out, _ = typed("plan", "brivity")
    assert code == 5
    assert "brivity has " in out
    code, out, _ = typed("apply", "brivity")
    assert code == 5
    assert "nothing was pushed" in out
    code, out, err = typed("run", "brivity", "--push", "apply", "--stages", "push")
    assert code == 5
    assert "If that is meant, say --allow-mass-change." in out + err
    assert typed("apply", "brivity", "--limit", "1", "--allow-mass-change")[0] == 0
