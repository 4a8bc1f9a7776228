"""Counts of values: kept with the build they were made of, made anew for any other."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from pipelines.warehouse.build import record_build
from pipelines.warehouse.filled import RECORDS, filled, record_filled

TABLE = "staging.north__contacts"


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """A table of four records, of which two count."""
    with duckdb.connect() as made:
        made.execute("create schema staging; create schema meta")
        made.execute(
            f"create table {TABLE} as select * from (values (false, true, 'a', null), (false, true, null, null), "
            "(true, true, 'c', 'd'), (false, false, 'e', 'f')) t(is_deleted, is_in_scope, email, phone)"
        )
        record_build(made, TABLE, "first", 4)
        yield made


def test_values_of_living_records_in_scope_are_counted(con: duckdb.DuckDBPyConnection) -> None:
    assert filled(con, TABLE, ["email", "phone"]) == {RECORDS: 2, "email": 1, "phone": 0}


def test_counts_are_kept_for_their_build_alone(con: duckdb.DuckDBPyConnection) -> None:
    record_filled(con, TABLE, ["email", "phone"])
    con.execute(f"delete from {TABLE}")
    assert filled(con, TABLE, ["phone", "email"]) == {RECORDS: 2, "phone": 0, "email": 1}
    record_build(con, TABLE, "second", 0)
    assert filled(con, TABLE, ["email"]) == {RECORDS: 0, "email": 0}
    record_filled(con, TABLE, ["email"])
    assert filled(con, TABLE, ["email"]) == {RECORDS: 0, "email": 0}


def test_a_field_that_was_not_counted_is_counted_now(con: duckdb.DuckDBPyConnection) -> None:
    record_filled(con, TABLE, ["email"])
    assert filled(con, TABLE, ["email", "phone"]) == {RECORDS: 2, "email": 1, "phone": 0}
