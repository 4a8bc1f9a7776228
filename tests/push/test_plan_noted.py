"""The plan reads which records differ from what unify noted, as long as that is of the tables as they are."""

from __future__ import annotations

from typing import Any

import pytest
from push_warehouse import rows

from pipelines.warehouse.build import record_build
from pipelines.warehouse.likeness import LACKING, OTHER, are_noted, likenesses, record_differences, table_of

STAGED = "staging.north__contacts"


@pytest.fixture
def noted(warehouse: Any, schemas: Any) -> Any:
    """Notes the differences given by record: what the plan says must follow from these."""

    def note(**differences: dict[str, int]) -> None:
        contacts = schemas["contacts"]
        names = [one.name for one in likenesses(contacts)]
        columns = ", ".join(f'"{name}" UTINYINT DEFAULT 0' for name in names)
        warehouse.con.execute(
            f"CREATE TABLE {table_of(contacts)} (contact_id VARCHAR, record_key VARCHAR, connection VARCHAR, {columns})"
        )
        for golden, fields in differences.items():
            row = {"contact_id": golden, "record_key": f"north:{golden[1:]}", "connection": "north", **fields}
            warehouse._insert(table_of(contacts), row)
        for table in ("unified.contacts", STAGED):
            record_build(warehouse.con, table, "as it is", 0)
        record_differences(warehouse.con, contacts)
        assert are_noted(warehouse.con, contacts, STAGED)

    return note


def test_only_what_is_noted_is_looked_at(warehouse: Any, planned: Any, noted: Any) -> None:
    for number in ("1", "2"):
        warehouse.record(f"g{number}", "north", "contacts", number, email="old@x.org")
        warehouse.golden("contacts", f"g{number}", email="new@x.org")
    noted(g2={"email": OTHER})
    assert rows(planned(), "record_key", "field") == [("north:2", "email")]


def test_of_what_is_written_only_where_empty_only_the_lacking_counts(warehouse: Any, planned: Any, noted: Any) -> None:
    warehouse.record("g1", "north", "contacts", "1", notes="theirs")
    warehouse.record("g2", "north", "contacts", "2")
    for golden in ("g1", "g2"):
        warehouse.golden("contacts", golden, notes="ours")
    noted(g1={"notes": OTHER}, g2={"notes": LACKING})
    assert rows(planned(), "action", "record_key", "field") == [("update", "north:2", "notes")]


@pytest.mark.parametrize("table", ["unified.contacts", STAGED])
def test_what_was_noted_of_other_tables_does_not_count(
    warehouse: Any, planned: Any, noted: Any, schemas: Any, table: str
) -> None:
    warehouse.record("g1", "north", "contacts", "1", email="old@x.org")
    warehouse.golden("contacts", "g1", email="new@x.org")
    noted()
    assert rows(planned()) == []
    record_build(warehouse.con, table, "made anew", 0)
    assert not are_noted(warehouse.con, schemas["contacts"], STAGED)
    assert rows(planned(), "record_key", "field") == [("north:1", "email")]
