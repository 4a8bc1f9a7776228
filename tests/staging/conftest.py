"""The raw log kit (`raw_log.py`), and a warehouse of an owner of its own."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import duckdb
import pytest

from pipelines.connections.owner import Owner
from pipelines.warehouse.connect import open_warehouse


def load_kit() -> ModuleType:
    if "raw_log" not in sys.modules:
        spec = importlib.util.spec_from_file_location("raw_log", Path(__file__).with_name("raw_log.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules["raw_log"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["raw_log"])
    return sys.modules["raw_log"]


load_kit()


@pytest.fixture
def owner(tmp_path: Path) -> Owner:
    return Owner("test", tmp_path / "data")


@pytest.fixture
def con(owner: Owner) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_warehouse(owner) as con:
        yield con
