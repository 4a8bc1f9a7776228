"""Every entity that a CRM's mapping can write is created there, and no call is made that the CRM must refuse.

An office in which each CRM is given all that the others have: a first run creates, and then there is rest (law L5).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from pipelines.commands.exits import Exit
from pipelines.connections.connection import Settings

Office = Any  # see conftest.py
pytestmark = pytest.mark.slow
CRMS = [
    "brivity", "external", "follow_up_boss", "hubspot", "kvcore", "mri_vault", "salesforce", "topproducer", "vaultre",
    "zoho",
]  # fmt: skip
# What a CRM is given of the entities that others have; mri_vault's deals are about properties of its own.
CREATED = {
    "brivity": {"contacts", "deals"}, "external": {"contacts"}, "follow_up_boss": {"contacts", "deals"},
    "hubspot": {"contacts", "deals", "properties"}, "kvcore": {"contacts", "deals"},
    "mri_vault": {"contacts", "properties"}, "salesforce": {"contacts", "deals"},
    "topproducer": {"contacts", "deals"}, "vaultre": {"contacts"}, "zoho": {"contacts", "deals"},
}  # fmt: skip


@pytest.fixture(scope="module")
def office(open_office: Callable[..., Office]) -> Any:
    """All CRMs, each of which is given everything, after one run."""
    with pytest.MonkeyPatch.context() as patch:
        settings = {crm: Settings.model_validate({"create": "all"}) for crm in CRMS}
        patch.setattr("pipelines.connections.resolve.connection_settings", lambda _: settings)
        made = open_office(*CRMS, size=16)
        made.run("all", push="off")
        made.forget_calls()
        done = made.run("all")
        assert done.code == Exit.DONE, done.report.messages
        yield made


def state(office: Office, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(office.data / "sandbox" / "state.sqlite") as con:
        return list(con.execute(query))


def test_each_entity_is_created(office: Office) -> None:
    made = state(office, "select connection, entity from intents where action = 'create' and status = 'done'")
    found = {crm: {entity for name, entity in made if name == crm} for crm in CRMS}
    assert {crm: wanted - found[crm] for crm, wanted in CREATED.items() if wanted - found[crm]} == {}


def test_no_create_is_refused(office: Office) -> None:
    """400 and the like never come: what a CRM takes no record without is waited for, or given (`defaults`)."""
    failed = state(
        office, "select connection, entity, error from intents where action = 'create' and status = 'failed'"
    )
    assert [one for one in failed if "has the same key, but belongs to" not in one[2]] == []
    refused = [(crm, c) for crm in CRMS for c in office.calls(crm) if 400 <= c["status"] < 500 and c["status"] != 404]
    assert refused == []


def test_then_there_is_rest(office: Office) -> None:
    office.settle("all", most=4)
    assert state(office, "select * from intents where status = 'open'") == []
