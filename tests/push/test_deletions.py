"""A deletion in one CRM unlinks; it is passed on only to a connection that says so, and never over a later edit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipelines.connections.connection import Connection
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.push.apply import Applied, apply, recover
from pipelines.push.guards import GuardTripped
from pipelines.push.plan import plan
from pipelines.push.planned import Plan
from pipelines.push.revert import revert
from pipelines.staging.read_back import RecordReader
from pipelines.state import intents, ledger
from pipelines.state.database import State
from pipelines.wire.limiter import Limiter

JANUARY, MARCH, MAY = "2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-05-01T00:00:00Z"


class Town:
    """Two CRMs: what is deleted in the south is told to the north."""

    def __init__(self, warehouse: Any, state: State, schemas: dict[str, CanonicalEntity], crm: Any) -> None:
        self.warehouse, self.state, self.schemas, self.crm = warehouse, state, schemas, crm
        warehouse.source("south", "contacts")
        warehouse.con.execute(
            "CREATE VIEW staging.contacts AS FROM staging.north__contacts "
            "UNION ALL BY NAME FROM staging.south__contacts"
        )

    def person(self, number: int, *, deleted: bool = True, first_seen: str = JANUARY, north: str = JANUARY) -> None:
        """One who was seen in the south in January, and deleted there in March; and lives in the north."""
        golden, shared = f"g{number}", {"first_name": f"Ann{number}", "_first_seen_at": first_seen}
        seen = {"_is_deleted": deleted, "_seen_at": MARCH}
        self.warehouse.record(golden, "south", "contacts", str(number), **shared, **seen)
        there = self.crm.put("contacts", str(number), first=f"Ann{number}")
        self.warehouse.record(
            golden, "north", "contacts", str(number), first_name=f"Ann{number}", _first_seen_at=north, _seen_at=north,
            _modified_at=there["updated"],
        )  # fmt: skip
        self.warehouse.golden("contacts", golden, first_name=f"Ann{number}")

    def plan(self, connection: Connection, **how: Any) -> Plan:
        return plan(connection, self.warehouse.con, self.state, self.schemas, **how)

    def apply(self, made: Plan, connection: Connection, run_id: str) -> Applied:
        reader = RecordReader(connection, self.schemas)
        return apply(
            made, connection, self.state, self.schemas, reader, run_id=run_id, limiter=Limiter([]),
            transport=self.crm, backoff=0.001,
        )  # fmt: skip


@pytest.fixture
def town(warehouse: Any, state: State, schemas: dict[str, CanonicalEntity], crm: Any) -> Town:
    return Town(warehouse, state, schemas, crm)


def verdicts(made: Plan) -> list[tuple[str, str | None, str]]:
    return [(row["action"], row["record_key"], row["why"]) for row in made.rows.to_pylist()]


def test_a_deletion_is_passed_on_only_where_the_connection_says_so(town: Town, connect: Any) -> None:
    town.person(1)
    town.person(2, deleted=False)
    assert town.plan(connect()).is_empty
    told = connect(deletions="pass_on")
    made = town.plan(told)
    assert verdicts(made) == [("archive", "north:1", "deleted in south")]
    assert town.apply(made, told, "r1").counts == {"contacts": {"done": 1, "sent": 1}}
    assert set(town.crm.records["contacts"]) == {"2"}
    (line,) = ledger.of_run(town.state, "r1")
    assert (line["action"], line["record_key"], line["status"], line["http_status"]) == (
        "archive", "north:1", "done", 204,
    )  # fmt: skip
    assert town.plan(told).is_empty  # also before the CRM is read again


def test_what_lives_on_or_came_later_or_was_edited_since_stays(town: Town, connect: Any) -> None:
    told = connect(deletions="pass_on")
    town.person(1)
    town.warehouse.record("g1", "south", "contacts", "1b", _first_seen_at=JANUARY, _seen_at=MARCH)  # another of hers
    town.person(2, north=MAY)
    town.person(3)
    town.warehouse.edit("north:3", "contacts", "first_name", MAY)
    town.person(4, first_seen=MARCH)  # never seen alive: nobody told us that it was deleted
    assert sorted(verdicts(town.plan(told))) == [
        ("none", "north:2", "added after it was deleted in south"),
        ("none", "north:3", "edited after it was deleted in south"),
    ]


def test_nobody_is_created_where_deletions_are_passed_on(town: Town, connect: Any) -> None:
    town.person(1)
    town.warehouse.con.execute("DELETE FROM staging.north__contacts; DELETE FROM unified.contact_sources")
    town.warehouse.record("g1", "south", "contacts", "1", _first_seen_at=JANUARY, _is_deleted=True, _seen_at=MARCH)
    town.warehouse.record("g1", "west", "contacts", "7", first_name="Ann1")
    assert verdicts(town.plan(connect(create="all"))) == [("create", None, "not in this CRM")]
    told = town.plan(connect(create="all", deletions="pass_on"))
    assert verdicts(told) == []


def test_more_than_a_few_deletions_trip_the_guard_also_on_a_first_sync(town: Town, connect: Any) -> None:
    for number in range(4):
        town.person(number)
    told = connect(deletions="pass_on", max_deletions=3)
    made = town.plan(told)
    assert made.guard == ("contacts: 4 records would be deleted (3 may)",)
    with pytest.raises(GuardTripped):
        town.apply(made, told, "r1")
    assert len(town.crm.records["contacts"]) == 4
    assert town.plan(told, allow_mass_change=True).guard == ()


def test_what_we_deleted_ourselves_is_not_passed_on(town: Town, connect: Any) -> None:
    town.person(1)
    intent = intents.Intent("i1", "r0", "south", "contacts", "archive", "g1", "south:1", ())
    intents.open_all(town.state, [intent])
    ledger.settle(town.state, [ledger.Outcome(intent, "done", "south:1", 204)])
    assert town.plan(connect(deletions="pass_on")).is_empty


@pytest.mark.parametrize("way", ["DELETE", "POST"])
def test_deletions_go_in_batches_and_a_bad_one_stands_alone(town: Town, connect: Any, way: str) -> None:
    def batched(mapping: Any) -> None:
        request = {"method": way, "path": "contacts/batch/delete"}
        request |= {"params": {"ids": "{ids}"}} if way == "DELETE" else {}
        mapping["entities"]["contacts"]["push"]["delete_batch"] = {
            "request": request, "size": 2, "items": "inputs", "item": {"id": "$id"}, "reader": "empty",
        }  # fmt: skip

    for number in range(5):
        town.person(number)
    told = connect(batched, deletions="pass_on")
    done = town.apply(town.plan(told), told, "r1")
    assert done.counts == {"contacts": {"done": 5, "sent": 5}}
    assert town.crm.records["contacts"] == {}
    assert town.crm.count(f"{way} /contacts/batch/delete") == 3
    town.crm.records["contacts"] = {}


def test_an_interrupted_deletion_is_read_back(town: Town, connect: Any) -> None:
    told = connect(deletions="pass_on")
    town.person(1)
    town.person(2)
    for number, is_gone in ((1, True), (2, False)):
        intent = intents.Intent(f"i{number}", "r1", "north", "contacts", "archive", f"g{number}", f"north:{number}", ())
        intents.open_all(town.state, [intent])
        if is_gone:
            del town.crm.records["contacts"][str(number)]
    reader = RecordReader(told, town.schemas)
    recover(told, town.state, town.schemas, reader, run_id="r2", limiter=Limiter([]), transport=town.crm, backoff=0.001)
    assert intents.unsettled(town.state, "north") == []
    assert verdicts(town.plan(told)) == [("archive", "north:2", "deleted in south")]


def test_a_deletion_is_shown_when_its_run_is_reverted(town: Town, connect: Any) -> None:
    told = connect(deletions="pass_on")
    town.person(1)
    town.apply(town.plan(told), told, "r1")
    made = revert("r1", told, town.warehouse.con, town.state, town.schemas)
    assert verdicts(made) == [("none", "north:1", "deleted by the run; only the CRM itself can bring it back")]
    assert json.dumps(made.to_json())
