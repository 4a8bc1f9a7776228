"""Undo (law L12)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipelines.connections.connection import Connection
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.push.apply import Applied, apply
from pipelines.push.guards import GuardTripped
from pipelines.push.plan import plan
from pipelines.push.planned import Plan
from pipelines.push.revert import UnknownRunError, revert
from pipelines.staging.read_back import RecordReader
from pipelines.state import runs
from pipelines.state.database import State
from pipelines.wire.limiter import Limiter


class Bench:
    """Pushes, reads the CRM again, and reverts."""

    def __init__(self, warehouse: Any, state: State, schemas: dict[str, CanonicalEntity], crm: Any) -> None:
        self.warehouse, self.state, self.schemas, self.crm = warehouse, state, schemas, crm

    def planned(self, connection: Connection) -> Plan:
        return plan(connection, self.warehouse.con, self.state, self.schemas)

    def apply(self, made: Plan, connection: Connection, run_id: str) -> Applied:
        reader = RecordReader(connection, self.schemas)
        return apply(
            made, connection, self.state, self.schemas, reader, run_id=run_id, limiter=Limiter([]),
            transport=self.crm, backoff=0.001,
        )  # fmt: skip

    def read(self, connection: Connection) -> None:
        """What extract and staging would do."""
        reader = RecordReader(connection, self.schemas)
        self.warehouse.con.execute("DELETE FROM staging.north__contacts")
        for record in self.crm.records.get("contacts", {}).values():
            (row,) = reader("contacts", [record])
            columns = {n: row[n] for n in ("absent_fields", "unreadable_fields", "values_hash")}
            self.warehouse.record(
                None,
                "north",
                "contacts",
                record["id"],
                _modified_at=record["updated"],
                **{f"_{k}": v for k, v in columns.items()},
            )
            for name in ("first_name", "last_name", "email", "phone", "company", "notes", "tags"):
                shape = '["VARCHAR"]' if name == "tags" else '"VARCHAR"'
                self.warehouse.con.execute(
                    f"UPDATE staging.north__contacts SET {name} = from_json(?, ?) WHERE source_id = ?",
                    [row[name], shape, record["id"]],
                )


@pytest.fixture
def bench(warehouse: Any, state: State, schemas: dict[str, CanonicalEntity], crm: Any) -> Bench:
    return Bench(warehouse, state, schemas, crm)


def set_up(bench: Bench, connect: Callable[..., Connection]) -> Connection:
    connection = connect()
    bench.crm.put(
        "contacts", "1", first="Old", last="Lee", email=None, phone=None, company=None, notes=None, tags=["a"]
    )
    bench.warehouse.record("g1", "north", "contacts", "1")
    bench.read(connection)
    bench.warehouse.golden("contacts", "g1", first_name="New", email="ann@x.org", tags=["a", "b"], last_name="Lee")
    assert bench.apply(bench.planned(connection), connection, "r1").counts == {"contacts": {"done": 1, "sent": 1}}
    bench.read(connection)
    assert bench.planned(connection).is_empty
    return connection


def test_a_run_is_undone_field_by_field_and_stays_undone(bench: Bench, connect: Any) -> None:
    connection = set_up(bench, connect)
    made = revert("r1", connection, bench.warehouse.con, bench.state, bench.schemas)
    assert {(row["field"], row["old"], row["new"]) for row in made.rows.to_pylist()} == {
        ("first_name", '"New"', '"Old"'),
        ("email", '"ann@x.org"', None),
        ("tags", '["a","b"]', '["a"]'),
    }
    assert bench.apply(made, connection, "r2").counts == {"contacts": {"done": 1, "sent": 1}}
    there = bench.crm.records["contacts"]["1"]
    assert (there["first"], there["email"], there["tags"]) == ("Old", None, ["a"])
    bench.read(connection)
    assert bench.planned(connection).is_empty
    bench.warehouse.set("unified.contacts", "true", first_name="Newer")
    assert {row["field"] for row in bench.planned(connection).rows.to_pylist() if row["action"] == "update"} == {
        "first_name"
    }


def test_what_was_edited_since_is_left_and_listed(bench: Bench, connect: Any) -> None:
    connection = set_up(bench, connect)
    bench.crm.edit("contacts", "1", first="Edited")
    bench.read(connection)
    made = revert("r1", connection, bench.warehouse.con, bench.state, bench.schemas)
    assert [(r["action"], r["why"]) for r in made.rows.to_pylist() if r["field"] == "first_name"] == [
        ("none", "edited since; left as it is")
    ]
    bench.apply(made, connection, "r2")
    assert bench.crm.records["contacts"]["1"]["first"] == "Edited"
    assert bench.crm.records["contacts"]["1"]["email"] is None


def test_an_undo_straight_after_the_run_knows_what_was_written(bench: Bench, connect: Any) -> None:
    """Nothing was read since: what we wrote is neither written again nor an edit of theirs."""
    connection = connect()
    bench.crm.put("contacts", "1", first="Old", email=None, tags=["a"])
    bench.warehouse.record("g1", "north", "contacts", "1")
    bench.warehouse.golden("contacts", "g1", first_name="New", email="ann@x.org", tags=["a", "b"])
    bench.read(connection)
    bench.warehouse.con.execute("UPDATE staging.north__contacts SET seen_at = now() - INTERVAL 1 MINUTE")
    bench.warehouse.con.execute(
        "CREATE TABLE meta.reads AS SELECT 'north' AS connection, 'contacts' AS entity, now() AS read_at"
    )
    runs.start(bench.state, ["north"], "r1")
    bench.apply(bench.planned(connection), connection, "r1")
    assert {(row["action"], row["why"]) for row in bench.planned(connection).rows.to_pylist()} == {
        ("none", "written by run r1; not read again since")
    }
    made = revert("r1", connection, bench.warehouse.con, bench.state, bench.schemas)
    assert {(row["field"], row["old"], row["new"]) for row in made.rows.to_pylist()} == {
        ("first_name", '"New"', '"Old"'),
        ("email", '"ann@x.org"', None),
        ("tags", '["a","b"]', '["a"]'),
    }
    bench.crm.edit("contacts", "1", first="Edited")
    assert bench.apply(made, connection, "r2").counts == {"contacts": {"skipped": 1, "sent": 0}}
    bench.crm.edit("contacts", "1", first="New")
    runs.start(bench.state, ["north"], "r3")
    assert bench.apply(made, connection, "r3").counts == {"contacts": {"done": 1, "sent": 1}}
    there = bench.crm.records["contacts"]["1"]
    assert (there["first"], there["email"], there["tags"]) == ("Old", None, ["a"])
    assert bench.planned(connection).is_empty
    assert {
        row["why"] for row in revert("r1", connection, bench.warehouse.con, bench.state, bench.schemas).rows.to_pylist()
    } == {"already as it was before"}


def test_an_undo_can_be_undone(bench: Bench, connect: Any) -> None:
    connection = set_up(bench, connect)
    bench.apply(revert("r1", connection, bench.warehouse.con, bench.state, bench.schemas), connection, "r2")
    bench.read(connection)
    bench.apply(revert("r2", connection, bench.warehouse.con, bench.state, bench.schemas), connection, "r3")
    there = bench.crm.records["contacts"]["1"]
    assert (there["first"], there["email"], there["tags"]) == ("New", "ann@x.org", ["a", "b"])


def test_created_records_are_archived_only_when_asked(bench: Bench, connect: Any) -> None:
    connection = connect(create="all")
    bench.warehouse.record("g1", "south", "contacts", "1", email="ann@x.org")
    bench.warehouse.golden("contacts", "g1", email="ann@x.org")
    bench.apply(bench.planned(connection), connection, "r1")
    bench.read(connection)
    kept = revert("r1", connection, bench.warehouse.con, bench.state, bench.schemas)
    assert [(row["action"], row["why"]) for row in kept.rows.to_pylist()] == [
        ("none", "created by the run; say --archive-created to archive it")
    ]
    made = revert("r1", connection, bench.warehouse.con, bench.state, bench.schemas, archive_created=True)
    assert bench.apply(made, connection, "r2").counts == {"contacts": {"done": 1, "sent": 1}}
    assert bench.crm.records["contacts"] == {}
    bench.read(connection)
    assert bench.planned(connection).is_empty  # what was deleted there is not created again


def test_more_than_a_few_archived_records_are_a_guard(bench: Bench, connect: Any) -> None:
    connection = connect(create="all", max_deletions=1)
    for number in ("1", "2"):
        bench.warehouse.record(f"g{number}", "south", "contacts", number, email=f"{number}@x.org")
        bench.warehouse.golden("contacts", f"g{number}", email=f"{number}@x.org")
    bench.apply(bench.planned(connection), connection, "r1")
    bench.read(connection)
    made = revert("r1", connection, bench.warehouse.con, bench.state, bench.schemas, archive_created=True)
    assert made.guard == ("contacts: 2 records would be deleted (1 may)",)
    with pytest.raises(GuardTripped):
        bench.apply(made, connection, "r2")
    assert len(bench.crm.records["contacts"]) == 2
    assert revert("r1", connection, bench.warehouse.con, bench.state, bench.schemas).guard == ()


def test_an_undo_of_much_is_a_guard_like_any_plan(bench: Bench, connect: Any) -> None:
    connection = connect()
    for number in range(12):
        bench.crm.put("contacts", str(number), first="Old")
        bench.warehouse.record(f"g{number}", "north", "contacts", str(number))
        bench.warehouse.golden("contacts", f"g{number}", first_name="New")
    bench.read(connection)
    bench.apply(bench.planned(connection), connection, "r1")  # a first sync is exempt, its undo is not
    bench.read(connection)
    made = revert("r1", connection, bench.warehouse.con, bench.state, bench.schemas)
    assert made.guard == ("contacts: 12 of 12 records would change (100%; 20% may)",)
    with pytest.raises(GuardTripped):
        bench.apply(made, connection, "r2")
    meant = revert("r1", connection, bench.warehouse.con, bench.state, bench.schemas, allow_mass_change=True)
    assert meant.guard == ()
    bench.apply(meant, connection, "r2")
    assert {there["first"] for there in bench.crm.records["contacts"].values()} == {"Old"}


def test_a_run_that_wrote_nothing_says_so(bench: Bench, connect: Any) -> None:
    runs.start(bench.state, ["north"], "r9")
    made = revert("r9", connect(), bench.warehouse.con, bench.state, bench.schemas)
    assert made.is_empty
    assert made.notes == ("run r9 wrote nothing to north",)


def test_a_run_that_never_was_is_an_error_that_names_the_nearest(bench: Bench, connect: Any) -> None:
    for number in ("20261120T064713-9f3a61", "20261121T064713-000000", "20250101T000000-000000"):
        runs.start(bench.state, ["north"], number)
    with pytest.raises(UnknownRunError, match=r"no run 20261120T064713-9f3a62.*: 20261120T064713-9f3a61, ") as raised:
        revert("20261120T064713-9f3a62", connect(), bench.warehouse.con, bench.state, bench.schemas)
    assert raised.value.exit_code == 2


def linked(mapping: Any) -> None:
    deals = mapping["entities"]["deals"]
    del deals["fields"]["contact_ids"]
    deals["fields"]["contact_ids"] = {"each": "contactIds", "write": "never"}
    deals["push"]["fields"] = ["name"]
    way = "links/deals/{id}/{value}"
    deals["push"]["links"] = [
        {
            "field": "contact_ids",
            "add": {"method": "PUT", "path": way},
            "find": {"path": way, "data_selector": "link"},
            "remove": {"method": "DELETE", "path": "links/deals/{id}/{link}"},
        }
    ]


def show_links(bench: Bench) -> None:
    """What a read of the deals would show."""
    there = sorted(f"north:{link[2]}" for link in bench.crm.links)
    bench.warehouse.set("staging.north__deals", "true", contact_ids=there)


def test_relations_are_taken_back_but_for_those_of_others(bench: Bench, connect: Any) -> None:
    connection = connect(linked)
    for number in (1, 2, 3):
        bench.warehouse.record(f"g{number}", "north", "contacts", str(number))
        bench.warehouse.golden("contacts", f"g{number}")
    bench.crm.put("deals", "9", name="Sale")
    bench.crm.links = {("deals", "9", "1")}
    bench.warehouse.record("d1", "north", "deals", "9", name="Sale", contact_ids=["north:1"])
    bench.warehouse.golden("deals", "d1", name="Sale", contact_ids=["g1", "g2"])
    bench.apply(bench.planned(connection), connection, "r1")
    assert bench.crm.links == {("deals", "9", "1"), ("deals", "9", "2")}
    bench.crm.links.add(("deals", "9", "3"))  # a person's doing
    show_links(bench)
    made = revert("r1", connection, bench.warehouse.con, bench.state, bench.schemas)
    (row,) = made.rows.to_pylist()
    assert (row["action"], row["old"], row["new"]) == (
        "unlink", '["north:1", "north:2", "north:3"]', '["north:1", "north:3"]',
    )  # fmt: skip
    assert bench.apply(made, connection, "r2").counts == {"deals": {"done": 1, "sent": 1}}
    assert bench.crm.links == {("deals", "9", "1"), ("deals", "9", "3")}
    show_links(bench)
    assert bench.planned(connection).is_empty  # held, until the golden record relates others
    bench.warehouse.set("unified.deals", "true", contact_ids=["g1", "g2", "g3"])
    bench.warehouse.set("staging.north__deals", "true", contact_ids=["north:1"])
    assert [row["action"] for row in bench.planned(connection).rows.to_pylist()] == ["link"]
    show_links(bench)
    back = revert("r2", connection, bench.warehouse.con, bench.state, bench.schemas)
    bench.apply(back, connection, "r3")
    assert bench.crm.links == {("deals", "9", "1"), ("deals", "9", "2"), ("deals", "9", "3")}


def test_a_relation_that_is_gone_or_cannot_be_taken_back_is_listed(bench: Bench, connect: Any) -> None:
    def without_remove(mapping: Any) -> None:
        linked(mapping)
        del mapping["entities"]["deals"]["push"]["links"][0]["remove"]

    connection = connect(without_remove)
    bench.warehouse.record("g1", "north", "contacts", "1")
    bench.warehouse.golden("contacts", "g1")
    bench.crm.put("deals", "9", name="Sale")
    bench.warehouse.record("d1", "north", "deals", "9", name="Sale")
    bench.warehouse.golden("deals", "d1", name="Sale", contact_ids=["g1"])
    bench.apply(bench.planned(connection), connection, "r1")
    show_links(bench)

    def listed(connection: Connection) -> list[tuple[str, str]]:
        made = revert("r1", connection, bench.warehouse.con, bench.state, bench.schemas)
        return [(row["action"], row["why"]) for row in made.rows.to_pylist()]

    assert listed(connection) == [("none", "the mapping has no call that takes the relation back")]
    bench.crm.links.clear()
    show_links(bench)
    assert listed(connect(linked)) == [("none", "already as it was before")]
