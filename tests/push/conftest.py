"""A warehouse made by hand, a mapping, a state, a CRM in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from push_memory_crm import MemoryCrm
from push_room import Room
from push_warehouse import MAPPING, Warehouse

from pipelines.connections.connection import Connection, Settings
from pipelines.connections.owner import Owner
from pipelines.mapping import language
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.mapping.load import load_schemas
from pipelines.push.plan import plan
from pipelines.push.planned import Plan
from pipelines.state.database import State, open_state

ROOT = Path(__file__).parents[2]

MakeConnection = Callable[..., Connection]


@pytest.fixture(scope="session")
def schemas() -> dict[str, CanonicalEntity]:
    return dict(load_schemas(ROOT / "schemas"))


@pytest.fixture
def owner(tmp_path: Path) -> Owner:
    return Owner("ann", tmp_path)


@pytest.fixture
def state(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> Iterator[State]:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with open_state(owner) as opened:
        yield opened


@pytest.fixture
def warehouse(schemas: dict[str, CanonicalEntity]) -> Iterator[Warehouse]:
    with duckdb.connect() as con:
        made = Warehouse(con, schemas)
        for entity in ("contacts", "deals"):
            made.source("north", entity)
        yield made


@pytest.fixture
def connect(owner: Owner) -> MakeConnection:
    """Makes the connection 'north'; `change` edits a copy of the mapping, settings are keywords."""

    def make(change: Callable[[Any], None] | None = None, **settings: Any) -> Connection:
        text = json.loads(json.dumps(MAPPING))
        if change is not None:
            change(text)
        mapping = language.Mapping.model_validate(text)
        return Connection("north", owner, mapping, Settings(**settings), False, mapping.connection)

    return make


@pytest.fixture
def crm() -> Any:
    """An empty CRM in memory."""
    return MemoryCrm()


@pytest.fixture
def room(warehouse: Warehouse, state: State, schemas: dict[str, CanonicalEntity], crm: Any, connect: Any) -> Any:
    """The warehouse, the state and the CRM, and the two steps between them."""
    return Room(warehouse, state, schemas, crm, connect)


@pytest.fixture
def planned(
    warehouse: Warehouse, state: State, schemas: dict[str, CanonicalEntity], connect: MakeConnection
) -> Callable[..., Plan]:
    """Plans a push to 'north', or to the connection given."""

    def run(connection: Connection | None = None, **how: Any) -> Plan:
        return plan(connection or connect(), warehouse.con, state, schemas, **how)

    return run
