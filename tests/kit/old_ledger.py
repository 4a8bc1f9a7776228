"""A state as version 0008 left it: ledger and echoes have a row for each field."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipelines.state.database import State

COLUMNS = (
    "entry_id", "intent_id", "run_id", "connection", "entity", "golden_id", "record_key", "action", "field", "old",
    "new", "read_back", "since", "status", "http_status", "error", "attempt", "planned_at", "sent_at", "settled_at",
    "correlation_id",
)  # fmt: skip
ECHO_COLUMNS = (
    "entity", "record_key", "field", "connection", "old", "sent", "read_back", "since", "sent_at", "run_id",
)  # fmt: skip
ECHOES: list[tuple[Any, ...]] = [
    ("contacts", "north:1", "email", "north", '"a"', None, None, 6, 8, "r1"),
    ("contacts", "north:1", "phone", "north", '"1"', '"+1"', '"(1)"', 5, 8, "r1"),
    ("contacts", "north:3", "tags", "north", None, '["x"]', '["x"]', None, 8, "r0"),
]
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
    """Sets the state back, with these lines and echoes."""
    integer = "SERIAL" if state.engine.dialect.name == "postgresql" else "INTEGER"
    with state.write() as connection:
        _remake(connection, "ledger", COLUMNS, LINES, {"entry_id": f"{integer} PRIMARY KEY"})
        _remake(connection, "echoes", ECHO_COLUMNS, ECHOES, {})
        connection.execute(sa.text("CREATE INDEX ledger_by_run ON ledger (run_id, connection)"))
        for now, then in INDEXES.items():
            connection.execute(sa.text(f"DROP INDEX {now}"))
            connection.execute(sa.text(f"CREATE INDEX {then}"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0008'"))


def _remake(
    connection: sa.Connection, table: str, names: tuple[str, ...], lines: list[tuple[Any, ...]], kinds: dict[str, str]
) -> None:
    columns = ", ".join(f"{name} {kinds.get(name) or ('BIGINT' if name in NUMBERS else 'TEXT')}" for name in names)
    connection.execute(sa.text(f"DROP TABLE {table}"))
    connection.execute(sa.text(f"CREATE TABLE {table} ({columns})"))
    marks = ", ".join(f":{name}" for name in names)
    rows = [dict(zip(names, line, strict=True)) for line in lines]
    connection.execute(sa.text(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"), rows)


def echoes_as_lines() -> list[dict[str, Any]]:
    """The echoes as they are read now."""
    named = ("record_key", "field", "old", "sent", "read_back", "since", "sent_at")
    known = [dict(zip(ECHO_COLUMNS, line, strict=True)) for line in ECHOES]
    return [{name: _moment(line[name]) if name in NUMBERS else line[name] for name in named} for line in known]


def _moment(us: int | None) -> datetime | None:
    return None if us is None else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
