"""The external CRM, whose mapping holds what its contract leaves to it: alternatives, a filter, a transform."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from crm_desk import Desk

from pipelines.connections.owner import Owner
from pipelines.state.database import open_state

Office = Any  # see conftest.py
EARLY = ("lead", "contacted")


@pytest.fixture(scope="module")
def office(open_office: Callable[..., Office]) -> Office:
    made = open_office("external", "follow_up_boss", size=60)
    made.run("all", push="off")
    return made


@pytest.fixture(scope="module")
def listed(office: Office) -> dict[str, dict[str, Any]]:
    """The records of the list by WhatsApp id."""
    bodies = office.held("external", "records").values()
    return {body.get("phone") or body["whatsapp_id"]: body for body in bodies}


def test_a_record_is_known_by_its_whatsapp_id_which_is_a_telephone_number(office: Office, listed: Any) -> None:
    """The mapping's own transform: 628123456789@c.us is +628123456789."""
    staged = office.staged("external", "contacts")
    assert set(staged) == set(listed)
    assert {id for id, row in staged.items() if row["phone"] != "+" + id.removesuffix("@c.us")} == set()


def test_of_alternatives_the_first_that_is_not_empty_wins(office: Office, listed: Any) -> None:
    contacts, deals = office.staged("external", "contacts"), office.staged("external", "deals")
    for id, body in listed.items():
        said = [body.get(name) or None for name in ("name", "contact_name")]
        assert contacts[id]["name"] == (said[0] or said[1])
        if body.get("event_name"):
            deal = deals[f"{id}|{body['event_name']}"]
            assert deal["stage"] == (body.get("status") or body["deal_stage"])
            assert deal["contact_ids"] == [f"external:{id}"]
    assert len(deals) == sum(bool(body.get("event_name")) for body in listed.values()) > 5


def test_the_filter_on_status_says_which_events_are_deals(office: Office) -> None:
    staged = office.staged("external", "deals")
    early = {id for id, row in staged.items() if row["stage"] in EARLY}
    assert early
    assert {id for id, row in staged.items() if not row["is_in_scope"]} == early
    unified = {id for (id,) in office.query("select source_id from unified.deal_sources where connection = 'external'")}
    assert unified == set(staged) - early, "what was never in scope is skipped"


def test_what_enters_the_filter_is_unified_and_what_leaves_it_is_frozen(office: Office, listed: Any) -> None:
    staged = office.staged("external", "deals")
    enters = next(id for id, row in staged.items() if row["stage"] == "lead")
    leaves = next(id for id, row in staged.items() if row["stage"] == "negotiating")
    ids = {body.get("phone") or body["whatsapp_id"]: id for id, body in office.held("external", "records").items()}
    for id, stage in ((enters, "negotiating"), (leaves, "lead")):
        key = id.partition("|")[0]
        name = "status" if "status" in listed[key] else "deal_stage"
        office.edit("external", "records", ids[key], {name: stage})
    office.run("all", push="off")
    scope = dict(office.query("select source_id, is_in_scope from unified.deal_sources where connection = 'external'"))
    assert (scope[enters], scope[leaves]) == (True, False)


def test_one_run_brings_it_to_rest(office: Office) -> None:
    """A name that another CRM makes of its parts is no edit: what the first run wrote is what the second finds."""
    first = office.run("all")
    assert not [message for message in first.report.messages if "failed" in message.lower()]
    again = office.run("all")
    assert not [row for row in again.report.rows if row.planned or row.pushed or row.failed]


def test_who_changed_since_the_plan_is_skipped_by_one_look_at_the_list(office: Office, tmp_path: Path) -> None:
    """No call gives one record, and none has a time: of each its values are compared with those of the plan."""
    ids = {body.get("phone") or body["whatsapp_id"]: id for id, body in office.held("external", "records").items()}
    staged = office.staged("external", "contacts")
    changed, *others = sorted(staged)[:5]
    old = {id: staged[id]["company"] and json.dumps(staged[id]["company"]) for id in (changed, *others)}
    office.edit("external", "records", ids[changed], {"company": "Theirs"})
    with open_state(Owner("sandbox", tmp_path)) as state:
        desk = Desk("external", office.sandbox, state, tmp_path)
        rows = [{"source_id": id, "field": "company", "old": old[id], "new": json.dumps("Ours")} for id in old]
        done = desk.do("contacts", "update", rows)
        assert done.counts == {"contacts": {"skipped": 1, "done": 4, "sent": 4}}
        assert (desk.calls("GET", ""), desk.calls("POST", "")) == (1, 4)
    held = {id: office.held("external", "records")[ids[id]].get("company") for id in old}
    assert held == {**dict.fromkeys(others, "Ours"), changed: "Theirs"}
