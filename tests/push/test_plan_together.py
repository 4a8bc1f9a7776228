"""Plans made side by side are those that are made one by one, and one that fails stops no other."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
from push_warehouse import creating, rows

from pipelines.connections.connection import Connection, Settings
from pipelines.mapping import language
from pipelines.push.plan import plan, plan_all

NAMES = ("north", "south", "west")


@pytest.fixture
def connections(connect: Any, owner: Any) -> list[Connection]:
    """Three CRMs; the last one takes fewer fields, and creates."""

    def fewer(mapping: Any) -> None:
        creating("all", ["contacts"])(mapping)
        mapping["entities"]["contacts"]["push"]["fields"] = ["email", "notes"]
        del mapping["entities"]["deals"]

    mappings: list[language.Mapping] = [connect().mapping, connect().mapping, connect(fewer).mapping]
    return [
        Connection(name, owner, mapping, Settings(), False, mapping.connection)
        for name, mapping in zip(NAMES, mappings, strict=True)
    ]


@pytest.fixture
def filled(warehouse: Any) -> Any:
    """Two people in two CRMs, with a deal, and differences of each kind."""
    for name in NAMES:
        warehouse.source(name, "contacts")
        warehouse.source(name, "deals")
    warehouse.record("g1", "north", "contacts", "1", first_name="Ann", email="a@x.org")
    warehouse.record("g1", "south", "contacts", "7", first_name="Anna", email="a@x.org", notes="n")
    warehouse.record("g2", "south", "contacts", "8", first_name="Bo", email="b@x.org")
    warehouse.record("g2", "west", "contacts", "w", email="old@x.org")
    warehouse.golden("contacts", "g1", since="2026-03-01T00:00:00Z", first_name="Anna", email="a@x.org", notes="n")
    warehouse.golden("contacts", "g2", first_name="Bob", email="b@x.org")
    warehouse.record("d1", "south", "deals", "d", name="House", contact_ids=["south:7"])
    warehouse.record("d1", "north", "deals", "d", name="Hut", contact_ids=["north:1"])
    warehouse.golden("deals", "d1", name="House", contact_ids=["g1", "g2"])
    return warehouse


def test_side_by_side_is_one_by_one(filled: Any, state: Any, schemas: Any, connections: list[Connection]) -> None:
    together = plan_all(connections, filled.con, state, schemas)
    alone = [plan(one, filled.con, state, schemas) for one in connections]
    for one, other in zip(together, alone, strict=True):
        assert not isinstance(one, Exception)
        assert one.rows.to_pylist() == other.rows.to_pylist()
        assert (one.references, one.counts, one.stats) == (other.references, other.counts, other.stats)
    assert [rows(one, "action", "golden_id", "field") for one in alone] == [
        [("update", "g1", "first_name"), ("update", "g1", "notes"), ("update", "d1", "name")],
        [("update", "g2", "first_name"), ("update", "d1", "contact_ids")],
        [("create", "g1", "email"), ("create", "g1", "notes"), ("update", "g2", "email")],
    ]


def test_one_that_fails_stops_no_other(filled: Any, state: Any, schemas: Any, connections: list[Connection]) -> None:
    filled.con.execute("ALTER TABLE staging.south__contacts DROP absent_fields")
    first, failed, last = plan_all(connections, filled.con, state, schemas)
    assert isinstance(failed, duckdb.Error)
    assert [one.writes for one in (first, last) if not isinstance(one, Exception)] == [2, 2]
    with pytest.raises(duckdb.Error):
        plan(connections[1], filled.con, state, schemas)


def test_nothing_is_left(filled: Any, state: Any, schemas: Any, connections: list[Connection]) -> None:
    before = filled.con.execute("SELECT count(*) FROM duckdb_tables()").fetchall()
    plan_all(connections, filled.con, state, schemas)
    assert filled.con.execute("SELECT count(*) FROM duckdb_tables()").fetchall() == before
