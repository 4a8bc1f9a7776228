"""What users of a CRM edit, add and delete is what the next run sees: that, no more, with few calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipelines.mapping.load import load_mapping

Office = Any  # see conftest.py


@dataclass(frozen=True)
class Way:
    """Contacts of one CRM: what its emulator calls them, a field of text and its canonical name.

    `is_whole`: the CRM has no filter by time. `shows_deletions`: it has a feed of them, or the record itself says so.
    """

    store: str
    theirs: str
    ours: str
    is_whole: bool = False
    shows_deletions: bool = False


WAYS = {
    "brivity": Way("contacts", "company", "company", is_whole=True),
    "follow_up_boss": Way("people", "lastName", "last_name", shows_deletions=True),
    "hubspot": Way("contacts", "company", "company", shows_deletions=True),
    "kvcore": Way("contacts", "lastname", "last_name"),
    "mri_vault": Way("contacts", "notes", "relationship_notes"),
    "salesforce": Way("Contact", "Title", "job_title", shows_deletions=True),
    "topproducer": Way("contacts", "Company", "company", is_whole=True),
    "vaultre": Way("contacts", "company", "company"),
    "zoho": Way("Contacts", "Last_Name", "last_name", shows_deletions=True),
}


@dataclass
class Day:
    """What happened at one CRM, and what the runs said of its contacts."""

    edited: str
    added: str
    deleted: str
    calls: list[dict[str, Any]] = field(default_factory=list)
    seen: Any = None
    refreshed: Any = None
    came_in: dict[tuple[str, str], int | None] = field(default_factory=dict)


@pytest.fixture(scope="module")
def office(open_office: Callable[..., Office]) -> Office:
    made = open_office(*WAYS, size=50)
    made.read("all")
    return made


@pytest.fixture(scope="module")
def days(office: Office) -> dict[str, Day]:
    """A day at every CRM, and two runs: an ordinary one, and one that reads everything."""
    found = {crm: _day(office, crm, way) for crm, way in WAYS.items()}
    office.forget_calls()
    done = office.read("all")
    for crm, day in found.items():
        day.calls, day.seen = office.calls(crm), done.row("extract", "contacts", crm)
        day.came_in = {(row.connection, row.entity): row.came_in for row in done.report.rows if row.stage == "extract"}
    for crm, day in found.items():
        day.edits = office.staged(crm, "contacts")  # type: ignore[attr-defined]
    done = office.read("all", full_refresh=True)
    for crm, day in found.items():
        day.refreshed = done.row("extract", "contacts", crm)
    return found


def _day(office: Office, crm: str, way: Way) -> Day:
    office.advance(crm, 7200)
    ids = sorted(office.staged(crm, "contacts"))
    known = office.held(crm, way.store)
    ids = [id for id in ids if id in known and not office.staged(crm, "contacts")[id]["is_deleted"]]
    office.edit(crm, way.store, ids[0], {way.theirs: "Zebra"})
    office.delete(crm, way.store, ids[1])
    added = office.add(crm, way.store, {k: v for k, v in known[ids[2]].items() if k.lower() != "id"})
    fresh = set(office.held(crm, way.store)) - set(known)
    assert added
    return Day(ids[0], fresh.pop(), ids[1])


@pytest.mark.parametrize("crm", WAYS)
def test_an_edit_and_a_new_record_are_seen(office: Office, days: dict[str, Day], crm: str) -> None:
    day, staged = days[crm], office.staged(crm, "contacts")
    assert day.seen.new == 1
    assert staged[day.edited][WAYS[crm].ours] == "Zebra"
    assert day.added in staged
    # the edited one; and, where a deleted record says so itself, that one
    assert day.seen.changed in (1, 2)


@pytest.mark.parametrize("crm", WAYS)
def test_nothing_else_is_asked_for(days: dict[str, Day], crm: str) -> None:
    if not WAYS[crm].is_whole:
        assert days[crm].seen.came_in <= 6, "the edited, the added, the deleted, and the overlap"


@pytest.mark.parametrize("crm", WAYS)
def test_a_deletion_is_seen_at_once_or_by_the_next_whole_read(office: Office, days: dict[str, Day], crm: str) -> None:
    day = days[crm]
    assert office.staged(crm, "contacts")[day.deleted]["is_deleted"]
    was_seen = day.seen.deleted + max(0, day.seen.changed - 1)
    assert was_seen == 1 if WAYS[crm].shows_deletions or WAYS[crm].is_whole else was_seen + day.refreshed.deleted == 1


@pytest.mark.parametrize("crm", WAYS)
def test_a_whole_read_finds_nothing_more(days: dict[str, Day], crm: str) -> None:
    assert days[crm].refreshed.new == 0
    assert days[crm].refreshed.changed == 0


@pytest.mark.parametrize("crm", WAYS)
def test_no_call_but_those_that_the_mapping_asks_for(days: dict[str, Day], project_root: Path, crm: str) -> None:
    """Few records, so one page of each list and each feed, one list of fields; relations of what the list
    showed, and of all others; a GET
    where a missing record is to be confirmed. What is refused for a token that expired in the night comes again.
    """
    day, logins, expected = days[crm], 0, 0
    for name in ("salesforce", "salesforce_leads") if crm == "salesforce" else (crm,):
        mapping = load_mapping(project_root / "mappings" / f"{name}.yml")
        logins += "access_token_url" in (mapping.connection.auth or {})
        for entity, block in mapping.entities.items():
            has_feed = block.deleted is not None and block.deleted.feed is not None
            has_relations = block.extract.beside is not None
            shown = has_relations and bool(day.came_in[name, entity])
            expected += 1 + has_feed + has_relations + shown + (block.extract.own_fields is not None)
    expected += WAYS[crm].is_whole and day.seen.deleted
    good = [call for call in day.calls if call["status"] != 401]
    tokens = sum(call["count"] for call in good if "oauth" in call["path"])
    assert tokens <= logins
    assert sum(call["count"] for call in good) - tokens == expected, day.calls
