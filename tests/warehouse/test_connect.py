"""A warehouse is opened with its memory capped, its schemas made, and no way to fetch an extension."""

from __future__ import annotations

import duckdb
import pytest

from pipelines.connections.owner import Owner
from pipelines.warehouse.connect import SCHEMAS, open_warehouse


def setting(con: duckdb.DuckDBPyConnection, name: str) -> str:
    return str(con.execute(f"select current_setting('{name}')").fetchall()[0][0])


def test_it_has_its_schemas_and_its_limits(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSWALK_MEMORY", "512MiB")
    with open_warehouse(owner) as con:
        found = {name for (name,) in con.execute("select schema_name from information_schema.schemata").fetchall()}
        assert set(SCHEMAS) <= found
        assert setting(con, "memory_limit") == "512.0 MiB"
        assert setting(con, "TimeZone") == "UTC"
        assert setting(con, "temp_directory") == str(owner.root / "spill")
        assert setting(con, "autoinstall_known_extensions") == "False"


def test_a_reader_writes_nothing(owner: Owner) -> None:
    with pytest.raises(duckdb.IOException):
        open_warehouse(owner, read_only=True)
    assert not owner.root.exists()
    open_warehouse(owner).close()
    with open_warehouse(owner, read_only=True) as con, pytest.raises(duckdb.InvalidInputException):
        con.execute("create table staging.x as select 1 as x")


def test_the_cap_is_at_most_two_gigabytes(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROSSWALK_MEMORY", raising=False)
    with open_warehouse(owner) as con:
        amount, unit = setting(con, "memory_limit").split()
        assert unit in ("MiB", "GiB")
        assert float(amount) <= (2 if unit == "GiB" else 2048)
