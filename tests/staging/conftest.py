"""A warehouse of an owner of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from pipelines.connections.owner import Owner
from pipelines.warehouse.connect import open_warehouse


@pytest.fixture
def owner(tmp_path: Path) -> Owner:
    return Owner("test", tmp_path / "data")


@pytest.fixture
def con(owner: Owner) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_warehouse(owner) as con:
        yield con
