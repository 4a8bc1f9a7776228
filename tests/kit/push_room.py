"""A warehouse, a state and a CRM in memory: what the tests of apply stand in."""

from __future__ import annotations

from typing import Any

from pipelines.connections.connection import Connection
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.push.apply import Applied, apply, recover
from pipelines.push.plan import plan
from pipelines.staging.read_back import RecordReader
from pipelines.state import ledger
from pipelines.state.database import State
from pipelines.wire.limiter import Limiter


class Room:
    """A warehouse, a state and a CRM, and the two steps between them."""

    def __init__(
        self, warehouse: Any, state: State, schemas: dict[str, CanonicalEntity], crm: Any, connect: Any
    ) -> None:
        self.warehouse, self.state, self.schemas, self.crm, self.connect = warehouse, state, schemas, crm, connect
        self.runs = 0

    def push(self, connection: Connection | None = None, **how: Any) -> Applied:
        connection = connection or self.connect()
        made = plan(connection, self.warehouse.con, self.state, self.schemas)
        return self.apply(made, connection, **how)

    def apply(self, made: Any, connection: Connection, **how: Any) -> Applied:
        self.runs += 1
        reader = RecordReader(connection, self.schemas)
        return apply(
            made, connection, self.state, self.schemas, reader, run_id=f"r{self.runs}", limiter=Limiter([]),
            transport=self.crm, backoff=0.001, **how,
        )  # fmt: skip

    def recover(self, connection: Connection | None = None) -> Applied | None:
        connection = connection or self.connect()
        self.runs += 1
        reader = RecordReader(connection, self.schemas)
        return recover(
            connection, self.state, self.schemas, reader, run_id=f"r{self.runs}", limiter=Limiter([]),
            transport=self.crm, backoff=0.001,
        )  # fmt: skip

    def differing(self, number: int, **values: Any) -> None:
        """A record that lacks what its golden record has."""
        there = self.crm.put("contacts", str(number), first="Old")
        self.warehouse.record(
            f"g{number}", "north", "contacts", str(number), first_name="Old", _modified_at=there["updated"]
        )
        self.warehouse.golden("contacts", f"g{number}", **{"first_name": "New", **values})

    def lacking(self, number: int, **values: Any) -> None:
        """A golden record that the CRM lacks."""
        self.warehouse.record(f"g{number}", "south", "contacts", str(number), **values)
        self.warehouse.golden("contacts", f"g{number}", **values)

    def lines(self) -> list[tuple[Any, ...]]:
        names = ("record_key", "field", "old", "new", "read_back", "status")
        return [
            tuple(line[n] for n in names)
            for run in range(1, self.runs + 1)
            for line in ledger.of_run(self.state, f"r{run}")
        ]
