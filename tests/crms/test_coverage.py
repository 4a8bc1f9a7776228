"""`crosswalk check --coverage` on what an emulated CRM sends: each thing it promises to tell."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.commands.coverage import show_coverage
from pipelines.connections.owner import Owner
from pipelines.connections.project import Project

Office = Any  # see conftest.py


@pytest.fixture(scope="module")
def office(open_office: Callable[..., Office]) -> Office:
    made = open_office("topproducer", size=60)
    made.read("topproducer")
    ids = sorted(made.held("topproducer", "contacts"))
    made.edit("topproducer", "contacts", ids[0], {"Pet": "cat", "Newsletter": True, "Spouse": "Ann B. Lee"})
    made.edit("topproducer", "contacts", ids[1], {"Pet": "dog", "Status": "Dormant", "Company": 42})
    made.read("topproducer")
    return made


def told(office: Office, root: Path, capsys: Any, name: str) -> dict[tuple[str, str], dict[str, Any]]:
    show_coverage(Project(root, office.data), Owner("sandbox", office.data), [name], as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert list(found) == [name]
    return {(one["kind"], one["name"]): one for one in found[name] if one["entity"] == "contacts"}


def test_all_that_drifts_is_told(office: Office, project_root: Path, capsys: Any) -> None:
    found = told(office, project_root, capsys, "topproducer")
    records = len(office.held("topproducer", "contacts"))
    pet = found["unmapped", "Pet"]
    assert (pet["types"], pet["examples"]) == ({"text": 2}, ["cat", "dog"])
    assert pet["share"] == pytest.approx(2 / records, abs=0.01)
    assert found["unmapped", "Newsletter"]["types"] == {"boolean": 1}
    assert found["unmapped", "Spouse"]["examples"] == [], "it looks like somebody's name"
    assert found["unknown_value", "status"]["examples"] == ["Dormant"]
    assert found["changed_types", "Company"]["types"]["number"] == 1


def test_what_the_mapping_names_in_vain_is_told(
    office: Office, project_root: Path, capsys: Any, mapped: Callable[[str], dict[str, list[str]]]
) -> None:
    staged = office.staged("topproducer", "contacts").values()
    empty = {n for n in mapped("topproducer")["contacts"] if all(row[n] in (None, []) for row in staged)}
    never = {name for (kind, name) in told(office, project_root, capsys, "topproducer") if kind == "never"}
    assert never == empty
