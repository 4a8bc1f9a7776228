"""An office's own fields: where a CRM sends only what it is asked for, they are asked for, kept, listed and mapped."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.commands.coverage import show_coverage
from pipelines.connections.owner import Owner
from pipelines.connections.project import Project
from pipelines.mapping import load

pytestmark = pytest.mark.slow
Office = Any  # see conftest.py
# Where the emulator keeps contacts; a field of the office's own, its value, how it reads; where the fields are listed.
OWN = {
    "hubspot": ("contacts", "client_tags", "golf;sailing", "properties.client_tags", "*/properties/*"),
    "salesforce": ("Contact", "Rating__c", 4.5, "Rating__c", "*/describe"),
    "zoho": ("Contacts", "Looking_For", None, "Looking_For", "*/settings/fields"),
}


@pytest.fixture(scope="module")
def office(open_office: Callable[..., Office]) -> Office:
    made = open_office(*OWN, size=30)
    for crm, (store, name, value, _, _) in OWN.items():
        for id in made.held(crm, store) if value is not None else ():
            made.edit(crm, store, id, {name: value})
    made.read(*OWN)
    return made


def at(custom: str | None, path: str) -> Any:
    found: Any = json.loads(custom or "{}")
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


@pytest.mark.parametrize("crm", list(OWN))
def test_they_come_and_are_kept(office: Office, crm: str) -> None:
    store, name, _, path, _ = OWN[crm]
    held = office.held(crm, store)
    kept = {id: at(row["custom"], path) for id, row in office.staged(crm, "contacts").items() if id in held}
    expected = {id: body[name] for id, body in held.items()}
    assert any(value not in (None, "") for value in expected.values())
    assert {id: value or None for id, value in kept.items()} == {id: value or None for id, value in expected.items()}


@pytest.mark.parametrize("crm", list(OWN))
def test_coverage_lists_them(office: Office, project_root: Path, capsys: Any, crm: str) -> None:
    show_coverage(Project(project_root, office.data), Owner("sandbox", office.data), [crm], as_json=True)
    found = {(f["kind"], f["name"]) for f in json.loads(capsys.readouterr().out)[crm] if f["entity"] == "contacts"}
    assert ("unmapped", OWN[crm][3]) in found


def test_one_line_maps_one(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """`rating: Rating__c` in the mapping: then it is a column, and no extra any more."""
    whole = load.load_mapping

    def with_a_line(path: Any, *more: Any, **named: Any) -> Any:
        if Path(path).stem != "salesforce":
            return whole(path, *more, **named)
        copy = office.data / "salesforce.yml"
        text = Path(path).read_text()
        copy.write_text(
            text.replace("      birth_date: Birthdate\n", "      birth_date: Birthdate\n      rating: Rating__c\n")
        )
        return whole(copy, *more, **named)

    monkeypatch.setattr("pipelines.connections.resolve.load_mapping", with_a_line)
    monkeypatch.setattr("pipelines.commands.session.load_mapping", with_a_line)
    office.read("salesforce")
    rows = [row for row in office.staged("salesforce", "contacts").values() if not row["is_deleted"]]
    assert {float(row["rating"]) for row in rows} == {4.5}
    assert {at(row["custom"], "Rating__c") for row in rows} == {None}


@pytest.mark.parametrize("crm", list(OWN))
def test_who_may_not_see_them_reads_the_rest(office: Office, crm: str) -> None:
    store, _, _, path, listed = OWN[crm]
    office.sandbox.admin("POST", f"{crm}/faults", {"kind": "error", "path": listed, "status": 404})
    done = office.read(crm, full_refresh=True)
    office.sandbox.admin("DELETE", f"{crm}/faults")
    assert any("own fields of contacts could not be asked for" in message for message in done.report.messages)
    staged = office.staged(crm, "contacts")
    assert office.held(crm, store).keys() <= staged.keys()
    assert {at(row["custom"], path) for row in staged.values()} == {None}
