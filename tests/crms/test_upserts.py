"""Creates that go as upserts: who was added since the search is matched, and nobody is made twice (law L8).

Sources: HubSpot CRM v3 batch upsert (spec): `new`; Salesforce collections by an external id (recorded): `created`;
Zoho CRM v8 upsert (recorded): `action`, 207 where rows fare differently.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from crm_desk import CONTACTS, Desk
from echo_lines import echo_lines

from pipelines.connections.owner import Owner
from pipelines.push.creating import Creator
from pipelines.push.units import Result, Unit
from pipelines.sandbox.handle import SandboxHandle, start
from pipelines.state import intents, ledger
from pipelines.state.database import open_state

# The CRM's names of an e-mail address, of a family name, and of a title.
NAMES = {"hubspot": ("email", "lastname", "jobtitle"), "zoho": ("Email", "Last_Name", "Title")}
ME = {"id": "1", "name": "A user"}
OURS = "External_Id__c"
TOO_LONG = "x" * 200
OpenDesk = Callable[..., AbstractContextManager[Desk]]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    with start(tmp_path_factory.mktemp("crms"), [*CONTACTS, "follow_up_boss"], size=20) as started:
        yield started


@pytest.fixture
def open_desk(sandbox: SandboxHandle, tmp_path: Path) -> OpenDesk:
    @contextmanager
    def opening(crm: str, **variables: str) -> Iterator[Desk]:
        with open_state(Owner("sandbox", tmp_path)) as state:
            yield Desk(crm, sandbox, state, tmp_path, **variables)

    return opening


@pytest.fixture
def after_the_search(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """What happens at the CRM between the search and the create."""

    def happens(something: Callable[[], None]) -> None:
        search = Creator.find_twins

        async def searched(self: Creator, units: Sequence[Unit]) -> dict[int, Result]:
            found = await search(self, units)
            something()
            return found

        monkeypatch.setattr(Creator, "find_twins", searched)

    return happens


def people(names: Sequence[str], crm: str) -> dict[str, dict[str, Any]]:
    """New people by golden id; the first has no address."""
    found: dict[str, dict[str, Any]] = {
        f"g-{name}": {"last_name": name, "email": f"{name.lower()}@{crm}.example.test"} for name in names
    }
    del found[f"g-{names[0]}"]["email"]
    return found


def made_or_met(desk: Desk) -> dict[str, str]:
    """By record: whether we made it (done) or met it (adopted)."""
    found = ledger.load_created(desk.state, "contacts", desk.crm)
    return {row["record_key"]: row["how"] for batch in found for row in batch.to_pylist()}


@pytest.mark.parametrize("crm", list(NAMES))
def test_whom_somebody_adds_after_the_search_is_matched(
    crm: str, open_desk: OpenDesk, after_the_search: Callable[[Callable[[], None]], None]
) -> None:
    email, last_name, title = NAMES[crm]
    with open_desk(crm) as desk:
        before = desk.held(CONTACTS[crm])
        somebody = dict.fromkeys(next(iter(before.values()))) | {"Modified_By": ME, "Created_By": ME}
        theirs = {**somebody, email: f"bo@{crm}.example.test", last_name: "Bo", title: "Broker"}
        add = f"{crm}/records/{CONTACTS[crm]}"
        after_the_search(lambda: desk.sandbox.admin("POST", add, theirs))
        done = desk.create("contacts", people(["Al", "Bo", "Cy"], crm))
        made = {id: body for id, body in desk.held(CONTACTS[crm]).items() if id not in before}
        assert done.counts == {"contacts": {"done": 2, "adopted": 1, "sent": 2}}
        assert sorted(body[last_name] for body in made.values()) == ["Al", "Bo", "Cy"], "nobody twice"
        (bo,) = (id for id, body in made.items() if body[last_name] == "Bo")
        assert made[bo][title] == "Broker", "what we do not name stays"
        assert desk.calls("POST", "upsert") == 1
        how = {
            r["record_key"]: r["how"] for b in ledger.load_created(desk.state, "contacts", crm) for r in b.to_pylist()
        }
        assert how[f"{crm}:{bo}"] == "adopted"
        assert set(how) == {f"{crm}:{id}" for id in made}
        echoes = {line["record_key"] for line in echo_lines(desk.state, "contacts")}
        assert f"{crm}:{bo}" in echoes, "what was written over it is no edit of theirs"


@pytest.mark.parametrize("crm", list(NAMES))
def test_a_bad_member_fails_alone(crm: str, open_desk: OpenDesk) -> None:
    with open_desk(crm) as desk:
        wanted = people(["Di", "Ed", "Flo"], crm)
        wanted["g-Ed"]["email"] = "no address"
        before = desk.held(CONTACTS[crm])
        done = desk.create("contacts", wanted)
        made = [body[NAMES[crm][1]] for id, body in desk.held(CONTACTS[crm]).items() if id not in before]
        assert done.counts == {"contacts": {"done": 2, "failed": 1, "sent": 2}}
        assert sorted(made) == ["Di", "Flo"]
        (failure,) = intents.failures(desk.state)
        assert (failure["golden_id"], failure["http_status"]) == ("g-Ed", 207)


def test_a_field_of_our_own_ids_matches_what_a_lost_call_made(open_desk: OpenDesk) -> None:
    """Who has no e-mail address cannot be searched for; by our own id nobody is made twice all the same."""
    with open_desk("salesforce", SALESFORCE_EXTERNAL_ID=OURS) as desk:
        before = desk.held("Contact")
        lost = {"kind": "lost", "method": "PATCH", "path": f"*/composite/sobjects/Contact/{OURS}", "count": 1}
        desk.sandbox.admin("POST", "salesforce/faults", lost)
        done = desk.create("contacts", people(["Al", "Bo"], "salesforce"))
        desk.sandbox.admin("DELETE", "salesforce/faults")
        made = {body[OURS]: body for id, body in desk.held("Contact").items() if id not in before}
        assert done.counts == {"contacts": {"done": 2, "sent": 2}}
        assert {key: body["LastName"] for key, body in made.items()} == {"g-Al": "Al", "g-Bo": "Bo"}
        assert len(desk.held("Contact")) == len(before) + 2
        assert desk.calls("PATCH", "composite/sobjects/{type}/{field}") == 2


def test_after_a_crash_a_create_is_said_again_by_our_own_id(open_desk: OpenDesk) -> None:
    """An intent that was left open by a kill: its record is there, and is not made once more."""
    with open_desk("salesforce", SALESFORCE_EXTERNAL_ID=OURS) as desk:
        desk.create("contacts", {"g-first": {"last_name": "First"}})
        (key,) = (
            r["record_key"] for b in ledger.load_created(desk.state, "contacts", "salesforce") for r in b.to_pylist()
        )
        there = len(desk.held("Contact"))
        change = intents.Change("last_name", None, json.dumps("First"), None)
        left = intents.Intent("i", "r0", "salesforce", "contacts", "create", "g-first", None, (change,), "f", 1)
        intents.open_all(desk.state, [left])
        desk.create("contacts", {"g-first": {"last_name": "First"}})
        assert len(desk.held("Contact")) == there
        assert {
            r["record_key"] for b in ledger.load_created(desk.state, "contacts", "salesforce") for r in b.to_pylist()
        } == {key}
        assert intents.unsettled(desk.state, "salesforce") == []


def test_without_such_a_field_creates_are_plain(open_desk: OpenDesk) -> None:
    with open_desk("salesforce") as desk:
        wanted = people(["Gus", "Hal", "Ida"], "salesforce")
        wanted["g-Hal"]["last_name"] = TOO_LONG
        done = desk.create("contacts", wanted)
        assert done.counts == {"contacts": {"done": 2, "failed": 1, "sent": 2}}
        assert (desk.calls("POST", "composite/sobjects"), desk.calls("PATCH", "composite")) == (1, 0)
        (failure,) = intents.failures(desk.state)
        assert (failure["golden_id"], failure["http_status"]) == ("g-Hal", 200)


def test_a_bad_member_fails_alone_by_our_own_id(open_desk: OpenDesk) -> None:
    with open_desk("salesforce", SALESFORCE_EXTERNAL_ID=OURS) as desk:
        done = desk.create("contacts", {"g-x": {"last_name": TOO_LONG}, "g-y": {"last_name": "Yan"}})
        assert done.counts == {"contacts": {"done": 1, "failed": 1, "sent": 1}}
        (failure,) = intents.failures(desk.state)
        assert (failure["golden_id"], failure["http_status"]) == ("g-x", 200)


def test_an_answer_that_shows_a_known_person_is_no_creation(open_desk: OpenDesk) -> None:
    """docs.followupboss.com, people-post: with deduplicate=true 200 is the person that was there, unchanged."""
    with open_desk("follow_up_boss") as desk:
        before = desk.held("people")
        id, known = next((id, body) for id, body in before.items() if body["phones"] and body["stage"] != "Trash")
        number = known["phones"][0]["value"]
        new = {"first_name": "Someone", "last_name": "Else", "phones": [number], "emails": ["else@example.test"]}
        done = desk.create("contacts", {"g-1": new})
        assert done.counts == {"contacts": {"adopted": 1, "sent": 0}}
        assert made_or_met(desk) == {f"follow_up_boss:{id}": "adopted"}
        assert desk.held("people") == before
        assert echo_lines(desk.state, "contacts") == [], "what it shows is not what we wrote"
