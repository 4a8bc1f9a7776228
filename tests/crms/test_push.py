"""All CRMs at once: one edit reaches every CRM in its own shape and nothing else is touched; then all is at rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipelines.commands.exits import Exit

Office = Any  # see conftest.py
pytestmark = pytest.mark.slow

# What the emulator calls its people, where the family name stands, and what follows from it or shows the time.
PEOPLE = {
    "follow_up_boss": ("people", "lastName", {"name", "updated", "lastActivity"}),
    "hubspot": ("contacts", "lastname", {"lastmodifieddate"}),
    "kvcore": ("contacts", "lastname", {"updated_at"}),
    "mri_vault": ("contacts", "lastName", {"modified"}),
    "salesforce": ("Contact", "LastName", {"Name", "LastModifiedDate", "SystemModstamp"}),
    "topproducer": ("contacts", "LastName", set[str]()),
    "vaultre": ("contacts", "lastName", {"displayName", "modified", "touched"}),
    "zoho": ("Contacts", "Last_Name", {"Full_Name", "Modified_Time", "Modified_By"}),
}
CRMS = [*PEOPLE, "brivity", "brivity_core", "external"]


@pytest.fixture(scope="module")
def office(open_office: Callable[..., Office]) -> Office:
    made = open_office(*CRMS, size=40)
    made.settle("all", most=5)
    return made


def _everywhere(office: Office) -> dict[str, str]:
    """The ids of the person who stands, once each, in most CRMs, Brivity among them."""
    rows = office.query("""
        select map_from_entries(list((connection, source_id))) from unified.contact_sources
        where not is_deleted group by contact_id
        having count(*) = count(distinct connection) and bool_or(connection = 'brivity')
        order by count(*) desc, contact_id limit 1""")
    return dict(rows[0][0])


def test_an_edit_reaches_every_crm_and_touches_nothing_else(office: Office) -> None:
    ids = _everywhere(office)
    reached = ids.keys() & PEOPLE.keys()
    assert len(reached) >= 5, ids
    before = {crm: office.held(crm, PEOPLE[crm][0]) for crm in reached}
    for crm in CRMS:
        office.advance(crm, 600)
    office.edit("brivity", "contacts", ids["brivity"], {"last_name": "Zebra"})
    office.forget_calls()
    office.settle("all")
    for crm in reached:
        store, name, follows = PEOPLE[crm]
        after = office.held(crm, store)
        changed = {
            (id, key) for id, body in after.items() for key, value in body.items() if before[crm][id].get(key) != value
        }
        assert after[ids[crm]][name] == "Zebra", crm
        assert {(ids[crm], name)} <= changed <= {(ids[crm], key) for key in {name, *follows}}, (crm, changed)


def test_then_nothing_is_written_and_nothing_is_planned(office: Office) -> None:
    office.forget_calls()
    done = office.run("all")
    assert done.code == Exit.DONE
    assert not [row for row in done.report.rows if row.planned or row.pushed or row.failed]
    for crm in CRMS:
        written = [c for c in office.calls(crm) if c["method"] in ("PUT", "PATCH", "DELETE")]
        assert not written, (crm, written)


def test_one_failing_crm_stops_no_other(office: Office) -> None:
    """Exit code 3 says that one is not well; all others are read, and what they tell is unified."""
    office.sandbox.admin("POST", "hubspot/faults", {"kind": "error", "path": "*"})
    office.edit("follow_up_boss", "people", next(iter(office.held("follow_up_boss", "people"))), {"lastName": "Yak"})
    done = office.run("all", push="plan")
    office.sandbox.admin("DELETE", "hubspot/faults")
    assert done.code == Exit.CRM_FAILED
    assert [message for message in done.report.messages if "HubSpot" in message]
    read = {row.connection for row in done.report.rows if row.stage == "extract"}
    assert read == {*CRMS, "salesforce_leads"} - {"hubspot"}
    assert done.row("extract", "contacts", "follow_up_boss").changed == 1
