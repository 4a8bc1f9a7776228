"""One emulated CRM and a state to push to it from: plans made by hand are applied over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa

from pipelines.connections.connection import Connection
from pipelines.connections.project import find_project
from pipelines.connections.resolve import resolve
from pipelines.mapping.load import load_schemas
from pipelines.push.apply import Applied, apply
from pipelines.push.planned import REFERENCES, ROWS, Plan
from pipelines.sandbox.handle import SandboxHandle
from pipelines.staging.read_back import RecordReader
from pipelines.state.database import State
from pipelines.wire.limiter import Limiter

CONTACTS = {"hubspot": "contacts", "salesforce": "Contact", "zoho": "Contacts"}
DEALS = {"hubspot": "deals", "salesforce": "Opportunity", "zoho": "Deals"}


class Desk:
    """One emulated CRM, and a state to push to it from."""

    def __init__(self, crm: str, sandbox: SandboxHandle, state: State, root: Path, **variables: str) -> None:
        self.crm, self.sandbox, self.state = crm, sandbox, state
        self.runs = 0
        given = {**sandbox.environment(crm), **variables}
        self.connection: Connection = resolve(crm, find_project(), root, sandbox_environment=given)
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
            {
                **shared,
                "golden_id": f"g{row['source_id']}",
                "record_key": f"{self.crm}:{row['source_id']}",
                **row,
            }
            for row in rows
        ]
        self.runs += 1
        ids = [{"entity": "contacts", "golden_id": g, "source_id": id} for g, id in (known or {}).items()]
        plan = Plan(
            self.crm, self.connection.owner.name, pa.Table.from_pylist(full, schema=ROWS),
            pa.Table.from_pylist(ids, schema=REFERENCES), {entity: {action: len(rows)}},
        )  # fmt: skip
        reader = RecordReader(self.connection, self.schemas)
        self.sandbox.admin("DELETE", "calls")
        return apply(
            plan, self.connection, self.state, self.schemas, reader, run_id=f"r{self.runs}", limiter=Limiter([])
        )

    def create(self, entity: str, people: dict[str, dict[str, Any]]) -> Applied:
        """Creates golden records: values by field, by golden id."""
        rows = [
            {"golden_id": golden, "record_key": None, "source_id": None, "field": name, "new": json.dumps(value)}
            for golden, values in people.items()
            for name, value in values.items()
        ]
        return self.do(entity, "create", rows)

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
