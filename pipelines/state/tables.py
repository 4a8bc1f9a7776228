"""The tables of `state.sqlite`, as SQLAlchemy Core knows them.

Moments are whole microseconds since 1970 (UTC) in columns named `*_at` or `since`: SQLite has no time type, and a
million of them must reach Arrow without being parsed. Values of records are JSON text. A change here needs a migration
in `migrations/versions/`; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, Table, Text, UniqueConstraint
from sqlalchemy.types import TypeEngine

metadata = MetaData()


def _text(name: str, *, key: bool = False, null: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=null)


def _moment(name: str, *, null: bool = True) -> Column[int]:
    return Column(name, BigInteger, nullable=null)


def _count(name: str, default: str = "0", kind: type[TypeEngine[int]] = BigInteger) -> Column[int]:
    return Column(name, kind, nullable=False, server_default=default)


stamps = Table("stamps", metadata, _text("name", key=True), _text("value"))

runs = Table(
    "runs",
    metadata,
    _text("run_id", key=True),
    _moment("started_at", null=False),
    _moment("finished_at"),
    _text("status"),
    Column("exit_code", Integer),
    _text("connections"),
    _text("summary", null=True),
)

run_counts = Table(
    "run_counts",
    metadata,
    _text("run_id", key=True),
    _text("connection", key=True),
    _text("stage", key=True),
    _text("entity", key=True),
    _text("metric", key=True),
    Column("value", Float, nullable=False),
)

golden_ids = Table(
    "golden_ids",
    metadata,
    _text("entity", key=True),
    _text("record_key", key=True),
    _text("golden_id"),
    _moment("since", null=False),
    sqlite_with_rowid=False,
)

redirects = Table(
    "redirects",
    metadata,
    _text("entity", key=True),
    _text("from_id", key=True),
    _text("to_id"),
    _text("reason"),
    _moment("at", null=False),
)

golden_events = Table(
    "golden_events",
    metadata,
    Column("event_id", Integer, primary_key=True, autoincrement=True),
    _text("entity"),
    _text("golden_id"),
    _text("event"),
    _text("other_id"),
    _text("record_key", null=True),
    _text("reason", null=True),
    _moment("at", null=False),
    Index("golden_events_by_id", "entity", "golden_id"),
)

match_answers = Table(
    "match_answers",
    metadata,
    _text("entity", key=True),
    _text("a", key=True),
    _text("b", key=True),
    _text("answer"),
    _text("who"),
    _moment("at", null=False),
)

pins = Table(
    "pins",
    metadata,
    _text("entity", key=True),
    _text("golden_id", key=True),
    _text("field", key=True),
    _text("value", null=True),
    _text("who"),
    _moment("at", null=False),
    _moment("until"),
)

holds = Table(
    "holds",
    metadata,
    _text("record_key", key=True),
    _text("entity", key=True),
    _text("field", key=True),
    _text("golden_value", null=True),
    _moment("since"),
    _text("why"),
    _text("run_id"),
    _moment("at", null=False),
)

plans = Table(
    "plans",
    metadata,
    _text("plan_id", key=True),
    _text("run_id"),
    _text("connection"),
    _text("kind"),
    _text("status"),
    _text("guard", null=True),
    _text("summary"),
    _moment("created_at", null=False),
    _moment("finished_at"),
)

intents = Table(
    "intents",
    metadata,
    _text("intent_id", key=True),
    _text("run_id"),
    _text("connection"),
    _text("entity"),
    _text("action"),
    _text("golden_id"),
    _text("record_key", null=True),
    _text("payload"),
    _text("status"),
    _count("attempt", kind=Integer),
    Column("http_status", Integer),
    _text("error", null=True),
    _text("correlation_id", null=True),
    _moment("planned_at", null=False),
    _moment("sent_at"),
    _moment("settled_at"),
    _moment("next_attempt_at"),
    Index("intents_by_status", "connection", "status"),
    Index("intents_by_golden", "connection", "entity", "golden_id"),
)

ledger = Table(
    "ledger",
    metadata,
    Column("entry_id", Integer, primary_key=True, autoincrement=True),
    _text("intent_id"),
    _text("run_id"),
    _text("connection"),
    _text("entity"),
    _text("golden_id"),
    _text("record_key", null=True),
    _text("action"),
    _text("field"),
    _text("old", null=True),
    _text("new", null=True),
    _text("read_back", null=True),
    _moment("since"),
    _text("status"),
    Column("http_status", Integer),
    _text("error", null=True),
    _count("attempt", kind=Integer),
    _moment("planned_at", null=False),
    _moment("sent_at"),
    _moment("settled_at"),
    _text("correlation_id", null=True),
    Index("ledger_by_intent", "intent_id"),
    Index("ledger_by_run", "run_id", "connection"),
)

echoes = Table(
    "echoes",
    metadata,
    _text("entity", key=True),
    _text("record_key", key=True),
    _text("field", key=True),
    _text("connection"),
    _text("old", null=True),
    _text("sent", null=True),
    _text("read_back", null=True),
    _moment("since"),
    _moment("sent_at", null=False),
    _text("run_id"),
    Index("echoes_by_connection", "connection", "entity"),
    sqlite_with_rowid=False,
)

created = Table(
    "created",
    metadata,
    _text("entity", key=True),
    _text("record_key", key=True),
    _text("connection"),
    _text("golden_id"),
    _text("intent_id"),
    _text("run_id"),
    _text("how"),
    _moment("at", null=False),
    Index("created_by_golden", "connection", "entity", "golden_id"),
)

conflicts = Table(
    "conflicts",
    metadata,
    Column("conflict_id", Integer, primary_key=True, autoincrement=True),
    _text("run_id"),
    _text("connection"),
    _text("entity"),
    _text("golden_id"),
    _text("record_key"),
    _text("field"),
    _text("ours", null=True),
    _text("theirs", null=True),
    _text("kept"),
    _text("rule"),
    _moment("ours_since"),
    _moment("theirs_since"),
    _moment("at", null=False),
    UniqueConstraint("record_key", "entity", "field", "ours", "theirs", name="conflicts_once"),
)

never_sync = Table(
    "never_sync",
    metadata,
    _text("connection", key=True),
    _text("entity", key=True),
    _text("source_id", key=True),
    _text("why"),
    _text("who"),
    _moment("at", null=False),
)

pauses = Table(
    "pauses",
    metadata,
    _text("connection", key=True),
    _text("why"),
    _text("who"),
    _moment("at", null=False),
)

limiter_windows = Table(
    "limiter_windows",
    metadata,
    _text("account", key=True),
    _text("window", key=True),
    _moment("started_at", null=False),
    _count("used"),
)

baselines = Table(
    "baselines",
    metadata,
    _text("connection", key=True),
    _text("entity", key=True),
    _text("metric", key=True),
    Column("value", Float, nullable=False),
    _text("run_id"),
    _moment("at", null=False),
)

check_results = Table(
    "check_results",
    metadata,
    Column("result_id", Integer, primary_key=True, autoincrement=True),
    _text("run_id"),
    _text("entity"),
    _text("field", null=True),
    _text("expectation"),
    _text("severity"),
    Column("passed", Integer, nullable=False),
    Column("checked", BigInteger),
    Column("failed", BigInteger),
    _text("detail", null=True),
    _text("says", null=True),
    _moment("at", null=False),
    Index("check_results_by_run", "run_id"),
)

notices = Table(
    "notices",
    metadata,
    _text("key", key=True),
    _text("severity"),
    _text("connection", null=True),
    _text("text"),
    _count("times", "1", Integer),
    _moment("opened_at", null=False),
    _moment("last_seen_at", null=False),
    _moment("closed_at"),
)
