"""The traps of the single CRMs, as far as writing has to do with them: limits, batches with failures, twins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipelines.commands.exits import Exit
from pipelines.connections.connection import Settings

Office = Any  # see conftest.py


@pytest.fixture(scope="module")
def creating() -> Any:
    """Connections that give their CRM whom another one has."""
    with pytest.MonkeyPatch.context() as patch:
        settings = {crm: Settings.model_validate({"create": "linked"}) for crm in ("zoho", "salesforce")}
        patch.setattr("pipelines.connections.resolve.connection_settings", lambda _: settings)
        yield


@pytest.fixture(scope="module")
def office(open_office: Callable[..., Office], creating: None) -> Office:  # noqa: ARG001
    made = open_office("follow_up_boss", "zoho", "salesforce", size=60)
    made.run("all", push="off")
    return made


def _count(office: Office, crm: str, method: str, part: str) -> int:
    return sum(c["count"] for c in office.calls(crm) if c["method"] == method and part in c["path"])


def test_a_limit_that_others_used_up_is_waited_for_and_only_where_it_holds(office: Office) -> None:
    """429 with Retry-After for PUT people, as where another program has the same key: nothing fails, no read waits."""
    throttled = {"kind": "throttle", "method": "PUT", "path": "*/people/*", "count": 2, "retry_after": 3}
    office.sandbox.admin("POST", "follow_up_boss/faults", throttled)
    office.forget_calls()
    done = office.run("follow_up_boss", limit=12)
    office.sandbox.admin("DELETE", "follow_up_boss/faults")
    assert done.code == Exit.DONE, done.report.messages
    refused = [c for c in office.calls("follow_up_boss") if c["status"] == 429]
    assert {c["method"] for c in refused} == {"PUT"}
    assert sum(c["count"] for c in refused) == 2
    pushed = done.row("push", "contacts", "follow_up_boss")
    assert pushed.pushed
    assert not pushed.failed
    assert pushed.seconds >= 3, "Retry-After"


def test_whom_the_crm_may_have_is_searched_for_many_at_once(office: Office) -> None:
    before = office.held("zoho", "Contacts")
    office.forget_calls()
    done = office.run("zoho")
    assert done.code == Exit.DONE, done.report.messages
    after = office.held("zoho", "Contacts")
    made = [str(body["Email"]).lower() for id, body in after.items() if id not in before and body.get("Email")]
    known = {str(body["Email"]).lower() for body in before.values() if body.get("Email")}
    assert len(made) == len(set(made)) > 10
    assert set(made) & known == set(), "nobody was given to it a second time"
    assert _count(office, "zoho", "GET", "/search") == 0
    assert 1 <= _count(office, "zoho", "POST", "/coql") <= 3, "fifty in a call"


@pytest.mark.slow
def test_a_batch_that_says_200_may_hold_failures(office: Office) -> None:
    """Collections of 200: each member has an outcome of its own, and the others are written."""
    office.run("salesforce")
    contacts = office.staged("salesforce", "contacts")
    shared = office.query("""
        select any_value(source_id) filter (connection = 'follow_up_boss'),
            any_value(source_id) filter (connection = 'salesforce') from unified.contact_sources group by contact_id
        having count(*) filter (connection = 'follow_up_boss') = 1 and count(*) filter (connection = 'salesforce') = 1
        order by all limit 2""")
    (bad_there, bad), (good_there, good) = shared
    office.advance("follow_up_boss", 600)
    office.edit("follow_up_boss", "people", bad_there, {"lastName": "L" * 200})
    office.edit("follow_up_boss", "people", good_there, {"lastName": "Zebra"})
    office.forget_calls()
    done = office.run("all")
    assert (bad in contacts, good in contacts) == (True, True)
    assert office.held("salesforce", "Contact")[good]["LastName"] == "Zebra"
    assert office.held("salesforce", "Contact")[bad]["LastName"] != "L" * 200
    assert done.row("push", "contacts", "salesforce").failed == 1
    batches = [c for c in office.calls("salesforce") if c["method"] == "PATCH"]
    assert {c["status"] for c in batches} == {200}
