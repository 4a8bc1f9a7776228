"""Who is created in a CRM, and who is not."""

from __future__ import annotations

from typing import Any

import pytest
from push_warehouse import creating, rows

from pipelines.state import intents, ledger
from pipelines.state.database import State
from pipelines.state.intents import Intent
from pipelines.state.ledger import Outcome

DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("policy", "created"),
    [("none", []), ("linked", ["g1"]), ("all", ["g1", "g2"]), ("last_name = 'Lee'", ["g2"])],
)
def test_create_policies(warehouse: Any, planned: Any, connect: Any, policy: str, created: list[str]) -> None:
    warehouse.record("g1", "south", "contacts", "1", first_name="Ann")
    warehouse.golden("contacts", "g1", first_name="Ann")
    warehouse.record("g2", "local", "contacts", "1", last_name="Lee")
    warehouse.golden("contacts", "g2", last_name="Lee")
    made = planned(connect(creating(policy, ["contacts"])))
    assert [row["golden_id"] for row in made.rows.to_pylist()] == created
    assert {row["action"] for row in made.rows.to_pylist()} <= {"create"}
    assert made.rows.num_rows == 0 or made.rows.to_pylist()[0]["record_key"] is None


def test_a_deal_waits_for_the_property_it_must_have(warehouse: Any, planned: Any, connect: Any) -> None:
    """A property that the CRM has not, and is not given, would be left out of the deal; then the CRM refuses it."""

    def about_properties(mapping: Any) -> None:
        push, properties = {"create": "linked", "create_request": {"method": "POST", "path": "x"}}, {"address": "a"}
        entities = mapping["entities"]
        entities["properties"] = {
            "extract": {"path": "p"}, "id": "id", "fields": properties, "push": {**push, "fields": ["address"]}
        }  # fmt: skip
        entities["deals"]["fields"]["property_id"] = "propertyId"
        entities["deals"]["push"]["fields"].append("property_id")
        creating("property_id is not null and name <> ''", ["deals"])(mapping)

    for number, connection in ((1, "south"), (2, "local")):
        warehouse.record(f"p{number}", connection, "properties", str(number), address="1 Elm")
        warehouse.golden("properties", f"p{number}", address="1 Elm")
        warehouse.record(f"d{number}", "south", "deals", str(number))
        warehouse.golden("deals", f"d{number}", name="Sale", property_id=f"p{number}")
    warehouse.source("north", "properties")
    made = planned(connect(about_properties))
    found = [row for row in rows(made, "entity", "golden_id", "action", "field", "new") if row[0] == "deals"]
    assert found == [
        ("deals", "d1", "create", "name", '"Sale"'), ("deals", "d1", "create", "property_id", '"p1"'),
        ("deals", "d2", "blocked", "name", '"Sale"'),
    ]  # fmt: skip
    assert rows(made, "why")[-1] == ("waits for what it points at, which is not in this CRM",)
    assert made.counts["properties"]["create"] == made.counts["deals"]["create"] == made.counts["deals"]["blocked"] == 1


def test_what_the_crm_takes_no_record_without_is_waited_for(warehouse: Any, planned: Any, connect: Any) -> None:
    """Whatever the connection's policy: no call is made that the CRM is known to refuse, and the plan says why."""

    def strict(mapping: Any) -> None:
        mapping["entities"]["contacts"]["push"]["requires"] = ["last_name"]

    warehouse.record("g1", "south", "contacts", "1", first_name="Ann")
    warehouse.golden("contacts", "g1", first_name="Ann")
    warehouse.record("g2", "south", "contacts", "2", last_name="Lee")
    warehouse.golden("contacts", "g2", last_name="Lee")
    for policy in ("all", "linked"):
        made = planned(connect(strict, create=policy))
        found = {row["golden_id"]: (row["action"], row["why"]) for row in made.rows.to_pylist()}
        assert found == {
            "g1": ("blocked", "this CRM takes none without last_name"), "g2": ("create", "not in this CRM"),
        }  # fmt: skip


def test_a_record_of_which_the_crm_takes_nothing_is_not_related_either(
    warehouse: Any, planned: Any, connect: Any
) -> None:
    def linked(mapping: Any) -> None:
        creating("all")(mapping)
        push = mapping["entities"]["deals"]["push"]
        push["fields"] = ["name"]
        push["links"] = [{"field": "contact_ids", "add": {"method": "PUT", "path": "links/deals/{id}/{value}"}}]

    warehouse.record("g1", "south", "contacts", "1", first_name="Ann")
    warehouse.golden("contacts", "g1", first_name="Ann")
    for number, values in ((1, {"amount": 5}), (2, {"name": "Sale"})):
        warehouse.record(f"d{number}", "south", "deals", str(number))
        warehouse.golden("deals", f"d{number}", contact_ids=["g1"], **values)
    made = [(row["golden_id"], row["action"]) for row in planned(connect(linked)).rows.to_pylist()]
    assert sorted(made) == [("d2", "create"), ("d2", "link"), ("g1", "create")]


def test_the_connection_may_set_the_policy(warehouse: Any, planned: Any, connect: Any) -> None:
    warehouse.record("g1", "south", "contacts", "1", first_name="Ann")
    warehouse.golden("contacts", "g1", first_name="Ann")
    assert planned(connect(create="all")).counts["contacts"]["create"] == 1


def test_what_was_deleted_there_is_not_created_again(warehouse: Any, planned: Any, connect: Any, state: State) -> None:
    for golden in ("g1", "g2", "g3"):
        warehouse.record(golden, "south", "contacts", golden, first_name="Ann")
        warehouse.golden("contacts", golden, first_name="Ann")
    warehouse.record("g1", "north", "contacts", "1", _is_deleted=True)
    made_before = Intent("i1", "r1", "north", "contacts", "create", "g2", None, ())
    intents.open_all(state, [made_before])
    ledger.settle(state, [Outcome(made_before, "done", "north:7")])
    assert [row["golden_id"] for row in planned(connect(creating("all"))).rows.to_pylist()] == ["g3"]


def test_golden_records_whose_sources_are_all_gone_are_not_created(warehouse: Any, planned: Any, connect: Any) -> None:
    warehouse.record("g1", "south", "contacts", "1", first_name="Ann", _is_deleted=True)
    warehouse.golden("contacts", "g1", first_name="Ann")
    assert planned(connect(creating("all"))).is_empty
