"""Who is created in a CRM, and who is not."""

from __future__ import annotations

from typing import Any

import pytest
from push_warehouse import creating

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
