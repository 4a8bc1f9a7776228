"""Guards (law L10): what is too big to be true is not applied."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.push import guards
from pipelines.push.plan import plan
from pipelines.push.planned import Plan
from pipelines.state import baselines
from pipelines.state.database import State


@pytest.fixture
def planned(warehouse: Any, state: State, schemas: dict[str, CanonicalEntity], connect: Any) -> Callable[..., Plan]:
    for number in range(20):
        warehouse.record(f"g{number}", "north", "contacts", str(number), first_name="Ann", email=f"{number}@x.org")
        warehouse.record(f"g{number}", "south", "contacts", str(number), first_name="Ann", phone="+1")
        warehouse.golden("contacts", f"g{number}", first_name="Ann", email=f"{number}@x.org")

    def run(connection: Any = None, **how: Any) -> Plan:
        return plan(connection or connect(), warehouse.con, state, schemas, **how)

    return run


def synced(state: State, made: Plan) -> None:
    baselines.save(state, "north", "r0", {("", "synced_at"): 1.0, **guards.baseline(made.stats)})


def test_a_normal_plan_trips_nothing(planned: Any, state: State, warehouse: Any) -> None:
    synced(state, planned())
    warehouse.set("unified.contacts", "contact_id = 'g1'", first_name="Bob")
    made = planned()
    assert made.guard == ()
    assert made.writes == 1


def test_too_many_changes(planned: Any, state: State, warehouse: Any) -> None:
    warehouse.set("unified.contacts", "true", first_name="Bob")
    assert planned().guard == ()  # a first sync is exempt
    synced(state, planned())
    assert planned().guard == ("contacts: 20 of 20 records would change (100%; 20% may)",)
    assert planned(allow_mass_change=True).guard == ()


def test_new_relations_are_changes_but_for_those_of_new_records(
    planned: Any, state: State, warehouse: Any, connect: Any
) -> None:
    def linked(mapping: Any) -> None:
        push = mapping["entities"]["deals"]["push"]
        push["fields"], push["create"] = ["name"], "all"
        push["links"] = [{"field": "contact_ids", "add": {"method": "PUT", "path": "links/deals/{id}/{value}"}}]

    connection = connect(linked)
    for number in range(20):
        warehouse.record(f"d{number}", "north" if number < 12 else "south", "deals", str(number), name="Sale")
        warehouse.golden("deals", f"d{number}", name="Sale")
    synced(state, planned(connection))
    warehouse.set("unified.deals", "deal_id >= 'd12'", contact_ids=["g1"])
    assert planned(connection).counts["deals"]["changed"] < 12
    warehouse.set("unified.deals", "true", contact_ids=["g1"])
    made = planned(connection)
    assert (made.counts["deals"]["changed"], made.counts["deals"]["unchanged"]) == (12, 0)
    assert made.guard == ("deals: 12 of 12 records would change (100%; 20% may)",)


def test_too_many_creations(planned: Any, state: State, warehouse: Any, connect: Any) -> None:
    synced(state, planned())
    warehouse.con.execute("DELETE FROM unified.contact_sources WHERE connection = 'north'")
    warehouse.con.execute("DELETE FROM staging.north__contacts")
    made = planned(connect(create="all", max_creates=19))
    assert "contacts: 20 records would be created (19 may)" in made.guard


def test_an_emptied_and_a_shrunken_source(planned: Any, state: State, warehouse: Any) -> None:
    synced(state, planned())
    warehouse.con.execute("DELETE FROM staging.south__contacts WHERE source_id::int > 8")
    assert planned().guard[:1] == ("contacts: south has 9 values of first_name, 20 at the last push",)
    assert "contacts: south has 9 records, 20 at the last push" in planned().guard
    warehouse.con.execute("DELETE FROM staging.south__contacts")
    assert "contacts: south has 0 records, 20 at the last push" in planned().guard


def test_a_field_that_a_mapping_mistake_emptied(planned: Any, state: State, warehouse: Any) -> None:
    synced(state, planned())
    warehouse.set("staging.south__contacts", "true", phone=None)
    assert planned().guard == ("contacts: south has 0 values of phone, 20 at the last push",)


def test_a_model_that_doubled(planned: Any, state: State, warehouse: Any) -> None:
    synced(state, planned())
    warehouse.con.execute(
        "INSERT INTO unified.contacts BY NAME SELECT * REPLACE (contact_id || 'x' AS contact_id) FROM unified.contacts"
    )
    assert planned().guard == ("contacts: 40 golden records, 20 at the last push",)
