"""The traps of the single CRMs, as far as reading and writing have to do with them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.commands.exits import Exit
from pipelines.mapping.load import load_mapping

Office = Any  # see conftest.py


@pytest.fixture(scope="module")
def hubspot(open_office: Callable[..., Office]) -> Office:
    made = open_office("hubspot", size=120)
    made.switch("hubspot", search_cap=20)
    return made


@pytest.mark.usefixtures("small_cap")
def test_more_results_than_a_search_shows_also_at_one_time(hubspot: Office) -> None:
    """A search ends at its cap: it begins anew at the last value, and goes by id where one time fills it."""
    held = hubspot.held("hubspot", "contacts")
    assert len(held) > 60
    hubspot.read("hubspot")
    assert set(hubspot.staged("hubspot", "contacts")) == set(held)
    hubspot.sandbox.admin("POST", "hubspot/same_time", {"entity": "contacts"})
    hubspot.read("hubspot", full_refresh=True)
    again = hubspot.read("hubspot", full_refresh=True)
    assert again.row("extract", "contacts", "hubspot").unchanged == len(held)
    assert again.row("extract", "contacts", "hubspot").deleted == 0


@pytest.mark.usefixtures("small_cap")
def test_a_lagging_index_hides_a_change_for_one_run_only(hubspot: Office) -> None:
    hubspot.advance("hubspot", 3600)
    hubspot.read("hubspot")
    hubspot.switch("hubspot", index_lag=60)
    id = next(iter(hubspot.held("hubspot", "contacts")))
    hubspot.edit("hubspot", "contacts", id, {"company": "Late Ltd"})
    hubspot.read("hubspot")
    assert hubspot.staged("hubspot", "contacts")[id]["company"] != "Late Ltd"
    hubspot.advance("hubspot", 90)
    hubspot.read("hubspot")
    hubspot.switch("hubspot", index_lag=0)
    assert hubspot.staged("hubspot", "contacts")[id]["company"] == "Late Ltd"


@pytest.fixture
def small_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    """HubSpot's mapping, for a portal whose searches end at 20 results."""
    from pipelines.mapping import load

    whole = load.load_mapping

    def smaller(*args: Any, **more: Any) -> Any:
        mapping = whole(*args, **more).model_copy(deep=True)
        for entity in mapping.entities.values():
            block = entity.extract.paginator
            if isinstance(block, dict) and block.get("type") == "search_window":
                block["cap"] = 20
                assert isinstance(entity.extract.json_body, dict)
                entity.extract.json_body["limit"] = 10
        return mapping

    monkeypatch.setattr("pipelines.connections.resolve.load_mapping", smaller)
    monkeypatch.setattr("pipelines.commands.session.load_mapping", smaller)


@pytest.fixture(scope="module")
def salesforce(open_office: Callable[..., Office]) -> Office:
    return open_office("salesforce", size=60)


def test_pages_end_where_the_answer_says_so(salesforce: Office) -> None:
    """A query shows 2,000 rows at most; here 200, and `nextRecordsUrl` is relative."""
    salesforce.switch("salesforce", batch_size=10)
    salesforce.read("salesforce", "salesforce_leads")
    assert set(salesforce.held("salesforce", "Contact")) == set(salesforce.staged("salesforce", "contacts"))
    assert sum(call["count"] for call in salesforce.calls("salesforce") if "query/" in call["path"]) > 2


def test_a_converted_lead_is_there_once(salesforce: Office) -> None:
    leads = salesforce.held("salesforce", "Lead")
    staged = salesforce.staged("salesforce_leads", "contacts")
    converted = {id for id, body in leads.items() if body["IsConverted"]}
    assert converted
    assert {id for id, row in staged.items() if row["is_deleted"]} == converted


@pytest.mark.slow
def test_the_days_limit_is_a_403_that_stops_only_this_crm(salesforce: Office) -> None:
    salesforce.switch("salesforce", daily_requests=1, enforce_limits=True)
    salesforce.forget_calls()
    done = salesforce.run("salesforce", stages=frozenset({"extract", "staging"}))
    salesforce.switch("salesforce", daily_requests=15_000, enforce_limits=False)
    assert done.code == Exit(3)
    assert "REQUEST_LIMIT_EXCEEDED" in " ".join(done.report.messages)
    assert sum(call["count"] for call in salesforce.calls("salesforce")) <= 30, "it does not insist"


@pytest.fixture(scope="module")
def zoho(open_office: Callable[..., Office]) -> Office:
    made = open_office("zoho", size=60)
    made.read("zoho")
    return made


def test_nothing_new_is_an_answer_without_a_body(zoho: Office) -> None:
    """304 where nothing changed since, 204 where the list of deleted records is empty.

    The overlap asks for the newest record once more, so that 304 is rare: here it is made to come.
    """
    zoho.advance("zoho", 3600)
    nothing = {"kind": "answer", "method": "GET", "path": "*/Contacts", "status": 304, "body": ""}
    zoho.sandbox.admin("POST", "zoho/faults", nothing)
    zoho.forget_calls()
    done = zoho.read("zoho")
    zoho.sandbox.admin("DELETE", "zoho/faults")
    assert {call["status"] for call in zoho.calls("zoho")} >= {204, 304}
    assert (done.row("extract", "contacts", "zoho").came_in, done.row("extract", "contacts", "zoho").changed) == (0, 0)
    assert not [message for message in done.report.messages if "could not be read" in message]


def test_a_refused_login_in_an_answer_of_200(zoho: Office) -> None:
    """{"error": "invalid_code"} comes with HTTP 200."""
    zoho.advance("zoho", 7200)  # the token has ended
    zoho.sandbox.admin(
        "POST", "zoho/faults", {"kind": "answer", "path": "*token", "status": 200, "body": '{"error": "invalid_code"}'}
    )
    done = zoho.run("zoho", stages=frozenset({"extract", "staging"}))
    zoho.sandbox.admin("DELETE", "zoho/faults")
    assert done.code == Exit(3)
    assert "authentication failed" in " ".join(done.report.messages)


@pytest.fixture(scope="module")
def kvcore(open_office: Callable[..., Office]) -> Office:
    made = open_office("kvcore", size=60)
    made.read("kvcore")
    return made


def test_the_filter_has_brackets_and_archived_contacts_are_kept_as_such(kvcore: Office) -> None:
    archived = {id for id, body in kvcore.held("kvcore", "contacts").items() if body["status"] == 6}
    assert archived
    staged = kvcore.staged("kvcore", "contacts")
    assert {id for id, row in staged.items() if row["is_deleted"]} == archived
    kvcore.advance("kvcore", 3600)
    kvcore.forget_calls()
    assert kvcore.read("kvcore").row("extract", "contacts", "kvcore").came_in == 0
    assert any("filter%5Bupdated_at%5D=" in call["target"] for call in kvcore.log("kvcore"))


def test_a_name_that_the_list_leaves_out_is_unknown_not_empty(kvcore: Office) -> None:
    rows = kvcore.staged("kvcore", "contacts")
    nameless = [row for id, row in rows.items() if int(id) % 25 == 0]
    assert nameless
    assert all("first_name" in row["absent_fields"] for row in nameless)


def test_the_limit_of_one_kind_of_call_speaks_of_that_kind(project_root: Path) -> None:
    """25 changes of people in ten seconds; reading people has the wider limit alone."""
    limits = load_mapping(project_root / "mappings" / "follow_up_boss.yml").connection.limits
    narrow = next(limit.match for limit in limits if limit.match)
    assert re.search(narrow, "PUT /v1/people/12")
    assert not re.search(narrow, "GET /v1/people/12")
