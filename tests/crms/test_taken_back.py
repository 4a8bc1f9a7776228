"""What a push made is taken back by calls that the vendors document: deletions by the batch, relations one by one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from pipelines.connections.connection import Connection
from pipelines.connections.project import find_project
from pipelines.connections.resolve import resolve
from pipelines.mapping.load import load_schemas
from pipelines.push.apply import Applied, apply
from pipelines.push.planned import REFERENCES, ROWS, Plan
from pipelines.sandbox.handle import SandboxHandle, start
from pipelines.staging.read_back import RecordReader
from pipelines.state.database import State, open_state
from pipelines.wire.limiter import Limiter

CONTACTS = {"hubspot": "contacts", "salesforce": "Contact", "zoho": "Contacts"}
DEALS = {"hubspot": "deals", "salesforce": "Opportunity", "zoho": "Deals"}


class Desk:
    """One emulated CRM, and a state to push to it from."""

    def __init__(self, crm: str, sandbox: SandboxHandle, state: State, root: Path) -> None:
        self.crm, self.sandbox, self.state = crm, sandbox, state
        found = resolve(crm, find_project(), root, sandbox_environment=sandbox.environment(crm))
        self.connection: Connection = found
        self.schemas = dict(load_schemas(Path(__file__).parents[2] / "schemas"))

    def held(self, kind: str) -> dict[str, dict[str, Any]]:
        """What the CRM has of a kind, by its ids."""
        return {one["id"]: one["body"] for one in self.sandbox.admin("GET", f"{self.crm}/records?entity={kind}")}

    def do(self, entity: str, action: str, rows: list[dict[str, Any]], known: dict[str, str] | None = None) -> Applied:
        """Applies rows of one action; `known`: the CRM's ids of contacts by their golden ids."""
        shared = {
            "connection": self.crm, "entity": entity, "wanted": action, "action": action, "keeper": "latest",
            "is_conflict": False, "attempt": 1, "fingerprint": "f",
        }  # fmt: skip
        full = [
            {**shared, "golden_id": f"g{row['source_id']}", "record_key": f"{self.crm}:{row['source_id']}", **row}
            for row in rows
        ]
        ids = [{"entity": "contacts", "golden_id": g, "source_id": id} for g, id in (known or {}).items()]
        plan = Plan(
            self.crm, self.connection.owner.name, pa.Table.from_pylist(full, schema=ROWS),
            pa.Table.from_pylist(ids, schema=REFERENCES), {entity: {action: len(rows)}},
        )  # fmt: skip
        reader = RecordReader(self.connection, self.schemas)
        self.sandbox.admin("DELETE", "calls")
        return apply(plan, self.connection, self.state, self.schemas, reader, run_id=action, limiter=Limiter([]))

    def related(self, deal: str) -> list[str]:
        """The contacts that stand beside a deal."""
        if self.crm == "zoho":
            return sorted(self.held("Deals")[deal].get("_roles", {}))
        if self.crm == "salesforce":
            rows = self.held("OpportunityContactRole").values()
            return sorted(row["ContactId"] for row in rows if row["OpportunityId"] == deal)
        given = self.sandbox.environment("hubspot")
        bearer = {"Authorization": f"Bearer {given['HUBSPOT_ACCESS_TOKEN']}"}
        url = f"{given['HUBSPOT_API_BASE_URL']}/crm/v4/objects/deals/{deal}/associations/contacts"
        found = httpx.get(url, headers=bearer, trust_env=False).raise_for_status().json()["results"]
        return sorted(str(one["toObjectId"]) for one in found)

    def calls(self, method: str, part: str) -> int:
        """How many calls of a method went to such a path."""
        made = self.sandbox.admin("GET", "calls")[self.crm]
        return sum(one["count"] for one in made if one["method"] == method and part in one["path"])


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    with start(tmp_path_factory.mktemp("crms"), list(CONTACTS), size=20) as started:
        yield started


@pytest.fixture(params=list(CONTACTS))
def desk(request: pytest.FixtureRequest, sandbox: SandboxHandle, tmp_path: Path) -> Iterator[Desk]:
    root = tmp_path / "data"
    owner = resolve(
        request.param, find_project(), root, sandbox_environment=sandbox.environment(request.param)
    ).owner  # fmt: skip
    with open_state(owner) as state:
        yield Desk(request.param, sandbox, state, root)


def test_deletions_go_in_one_call(desk: Desk) -> None:
    there = sorted(desk.held(CONTACTS[desk.crm]))
    gone = there[:5]
    done = desk.do("contacts", "archive", [{"source_id": id, "field": ""} for id in gone])
    assert done.counts == {"contacts": {"done": 5, "sent": 5}}
    assert sorted(desk.held(CONTACTS[desk.crm])) == there[5:]
    assert desk.calls("DELETE", "") + desk.calls("POST", "archive") == 1


def test_a_relation_that_was_made_is_taken_back(desk: Desk) -> None:
    contact, deal = sorted(desk.held(CONTACTS[desk.crm]))[-1], sorted(desk.held(DEALS[desk.crm]))[0]
    before = desk.related(deal)
    assert contact not in before
    link = {"source_id": deal, "field": "contact_ids", "old": "[]", "new": '["gc"]'}
    for _ in range(2):  # to say it twice makes no second one
        assert desk.do("deals", "link", [link], {"gc": contact}).counts == {"deals": {"done": 1, "sent": 1}}
        assert sorted(desk.related(deal)) == sorted([*before, contact])
    back = {"source_id": deal, "field": "contact_ids", "old": f'["{desk.crm}:{contact}"]', "new": "[]"}
    assert desk.do("deals", "unlink", [back]).counts == {"deals": {"done": 1, "sent": 1}}
    assert desk.related(deal) == before
