"""`crosswalk run` from a CRM to a published file and back, with every exit code the README promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.connections.locks import lock
from pipelines.connections.owner import Owner
from pipelines.sandbox.handle import SandboxHandle


def test_from_the_crm_to_the_published_file_and_to_rest(program: Any, sandbox: SandboxHandle) -> None:
    """Three runs: all is new; then only what we wrote comes back; then nothing is left to do (law L5)."""
    first = program("run", "brivity", "--json")
    assert first.code == 0, first.err
    assert first.report["sandbox"] is True
    held = len(sandbox.admin("GET", "brivity/truth?entity=contacts"))
    assert first.row("extract", "contacts")["new"] == held
    assert program.query("select count(*) from unified.contact_sources") == [(held,)]
    second = program("run", "brivity", "--json")
    assert second.code == 0, second.err
    assert second.row("extract", "contacts")["new"] == 0
    third = program("run", "brivity", "--json")
    assert third.row("extract", "contacts")["changed"] == 0
    assert third.row("plan", "contacts")["planned"] == 0
    assert third.row("plan", "deals")["planned"] == 0
    assert not any(row["stage"] == "publish" for row in third.report["rows"])


@pytest.mark.usefixtures("sandbox")
def test_without_a_terminal_plain_lines(program: Any) -> None:
    ran = program("run", "brivity", "--push", "off")
    assert ran.code == 0, ran.err
    assert "using the built-in sandbox (owner sandbox, data/sandbox/)" in ran.err
    assert any(line.startswith("extract  brivity contacts: came_in=") for line in ran.out.splitlines())
    assert "\x1b" not in ran.out


def test_half_set_credentials_name_what_is_missing(program: Any) -> None:
    program.environment["BRIVITY_CLIENT_ID"] = "me"
    ran = program("run", "brivity")
    assert ran.code == 2
    assert "BRIVITY_CLIENT_SECRET" in ran.err
    assert "BRIVITY_API_KEY" in ran.err


def test_an_unknown_connection_names_the_nearest(program: Any) -> None:
    ran = program("run", "brivty")
    assert ran.code == 2
    assert "brivity" in ran.err


def test_a_crm_that_is_not_there(program: Any) -> None:
    program.environment |= {
        "BRIVITY_CLIENT_ID": "me",
        "BRIVITY_CLIENT_SECRET": "sup3r-secret-value",
        "BRIVITY_API_KEY": "another-secret-value",
        "BRIVITY_API_BASE_URL": "http://127.0.0.1:9",
    }
    ran = program("run", "brivity", "--push", "off")
    assert ran.code == 3
    assert "[Brivity]" in ran.out
    assert "secret-value" not in ran.out + ran.err


def test_a_crm_that_refuses_the_login(program: Any, sandbox: SandboxHandle) -> None:
    program.environment |= {**sandbox.environment("brivity"), "BRIVITY_CLIENT_SECRET": "wrong-secret-value"}
    ran = program("run", "brivity", "--push", "off")
    assert ran.code == 3
    assert "Brivity authentication failed" in ran.out
    assert "wrong-secret-value" not in ran.out + ran.err


@pytest.mark.usefixtures("sandbox")
def test_a_held_lock_says_by_whom_and_since_when(program: Any) -> None:
    with lock(Owner("sandbox", program.data), "extract-brivity", "a test"):
        ran = program("run", "brivity", "--push", "off")
    assert ran.code == 4
    assert "a test" in ran.out
    assert "since" in ran.out


def test_a_source_that_emptied_stops_its_connection(program: Any, sandbox: SandboxHandle) -> None:
    assert program("run", "brivity", "--push", "off").code == 0
    before = program.query("select count(*) from contacts")
    sandbox.admin(
        "POST",
        "brivity/faults",
        {"kind": "answer", "path": "*/contacts", "status": 200, "body": '{"contacts": [], "total": 0}'},
    )
    ran = program("run", "brivity", "--push", "off", "--full-refresh")
    assert ran.code == 5, ran.out
    assert program.query("select count(*) from contacts") == before


def test_a_real_connection_belongs_to_the_default_owner_and_only_plans(program: Any, sandbox: SandboxHandle) -> None:
    program.environment |= sandbox.environment("brivity")
    ran = program("run", "brivity", "--json")
    assert ran.code == 0, ran.err
    assert ran.report["owner"] == "default"
    assert ran.report["sandbox"] is False
    assert not any("pushed" in row for row in ran.report["rows"])
    assert (Path(program.data) / "default" / "crm.duckdb").exists()


def test_a_pilot_reads_a_few_and_forgets_nothing(program: Any, sandbox: SandboxHandle) -> None:
    pilot = program("run", "brivity", "--limit", "5", "--push", "off", "--json")
    assert pilot.code == 0, pilot.err
    assert pilot.row("extract", "contacts")["came_in"] == 5
    whole = program("run", "brivity", "--push", "off", "--json")
    assert whole.code == 0, whole.err
    assert whole.row("extract", "contacts")["came_in"] == len(sandbox.admin("GET", "brivity/truth?entity=contacts"))


@pytest.mark.usefixtures("sandbox")
def test_stages_can_be_chosen(program: Any) -> None:
    assert program("run", "brivity", "--stages", "extract").code == 0
    assert not (Path(program.data) / "sandbox" / "crm.duckdb").exists()
    assert program("run", "brivity", "--stages", "staging,unify,check,publish").code == 0
    assert (Path(program.data) / "sandbox" / "crm.duckdb").exists()
    assert program("run", "brivity", "--stages", "extrct").code == 2


@pytest.mark.usefixtures("sandbox")
def test_plan_writes_nothing(program: Any) -> None:
    assert program("run", "brivity", "--push", "off").code == 0
    folder = Path(program.data) / "sandbox"
    before = {p.name: p.read_bytes() for p in folder.glob("state.sqlite*")}
    ran = program("plan", "brivity", "--json")
    assert ran.code == 0, ran.err
    assert {p.name: p.read_bytes() for p in folder.glob("state.sqlite*")} == before


@pytest.mark.usefixtures("sandbox")
def test_checks_of_the_data_stand_alone(program: Any) -> None:
    assert program("check", "--data").code == 2
    assert program("run", "brivity", "--push", "off").code == 0
    ran = program("check", "--data")
    assert ran.code == 0, ran.out + ran.err
    assert "fit to publish" in ran.out


@pytest.mark.usefixtures("sandbox")
def test_log_in_and_read_one_record(program: Any) -> None:
    ran = program("test", "brivity")
    assert ran.code == 0, ran.err
    assert "login works" in ran.out
