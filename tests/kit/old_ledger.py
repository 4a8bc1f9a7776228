"""A state as version 0008 left it: the ledger has a row for each field."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from pipelines.state.database import State

COLUMNS = (
    "entry_id", "intent_id", "run_id", "connection", "entity", "golden_id", "record_key", "action", "field", "old",
    "new", "read_back", "since", "status", "http_status", "error", "attempt", "planned_at", "sent_at", "settled_at",
    "correlation_id",
)  # fmt: skip
INDEXES = {
    "intents_in_work": "intents_by_status ON intents (connection, status)",
    "intents_waiting": "intents_by_golden ON intents (connection, entity, golden_id)",
}
NUMBERS = {"since", "http_status", "attempt", "planned_at", "sent_at", "settled_at"}
SHARED = ("r1", "north", "contacts")
LINES: list[tuple[Any, ...]] = [
    (1, "i1", *SHARED, "g1", "north:1", "update", "phone", '"1"', '"+1"', '"+1"', 5, "done", 200, None, 1, 7, 8, 9,
     "q"),
    (2, "i1", *SHARED, "g1", "north:1", "update", "city", None, '"Bo"', None, None, "skipped", None, "no such", 1, 7,
     8, 9, "q"),
    (3, "i1", *SHARED, "g1", "north:1", "update", "email", '"a"', None, None, 6, "done", 200, None, 1, 7, 8, 9, "q"),
    (4, "i2", *SHARED, "g2", None, "create", "email", None, '"b"', None, 6, "failed", 422, "no", 2, 7, 8, 9, None),
    (5, "i3", *SHARED, "g3", "north:3", "archive", "", None, None, None, None, "done", 204, None, 1, 7, 8, 9, None),
]  # fmt: skip


def make(state: State) -> None:
    """Sets the state back, with these lines."""
    integer = "SERIAL" if state.engine.dialect.name == "postgresql" else "INTEGER"
    kinds = {name: "BIGINT" if name in NUMBERS else "TEXT" for name in COLUMNS}
    columns = ", ".join(f"{name} {kind}" for name, kind in kinds.items() if name != "entry_id")
    with state.write() as connection:
        connection.execute(sa.text("DROP TABLE ledger"))
        connection.execute(sa.text(f"CREATE TABLE ledger (entry_id {integer} PRIMARY KEY, {columns})"))
        connection.execute(sa.text("CREATE INDEX ledger_by_run ON ledger (run_id, connection)"))
        for now, then in INDEXES.items():
            connection.execute(sa.text(f"DROP INDEX {now}"))
            connection.execute(sa.text(f"CREATE INDEX {then}"))
        marks = ", ".join(f":{name}" for name in COLUMNS)
        rows = [dict(zip(COLUMNS, line, strict=True)) for line in LINES]
        connection.execute(sa.text(f"INSERT INTO ledger ({', '.join(COLUMNS)}) VALUES ({marks})"), rows)
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0008'"))
