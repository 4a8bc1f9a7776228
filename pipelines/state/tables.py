"""Tables of runs, of identity, and of what people decided.

A change here needs a migration in `migrations/versions/`; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, Table

from pipelines.state.columns import count, metadata, moment, text

stamps = Table("stamps", metadata, text("name", key=True), text("value"))

runs = Table(
    "runs",
    metadata,
    text("run_id", key=True),
    moment("started_at", null=False),
    moment("finished_at"),
    text("status"),
    Column("exit_code", Integer),
    text("connections"),
    text("summary", null=True),
)

run_counts = Table(
    "run_counts",
    metadata,
    text("run_id", key=True),
    text("connection", key=True),
    text("stage", key=True),
    text("entity", key=True),
    text("metric", key=True),
    Column("value", Float, nullable=False),
)

golden_ids = Table(
    "golden_ids",
    metadata,
    text("entity", key=True),
    text("record_key", key=True),
    text("golden_id"),
    moment("since", null=False),
    sqlite_with_rowid=False,
)

redirects = Table(
    "redirects",
    metadata,
    text("entity", key=True),
    text("from_id", key=True),
    text("to_id"),
    text("reason"),
    moment("at", null=False),
)

golden_events = Table(
    "golden_events",
    metadata,
    Column("event_id", Integer, primary_key=True, autoincrement=True),
    text("entity"),
    text("golden_id"),
    text("event"),
    text("other_id"),
    text("record_key", null=True),
    text("reason", null=True),
    moment("at", null=False),
    Index("golden_events_by_id", "entity", "golden_id"),
)

match_answers = Table(
    "match_answers",
    metadata,
    text("entity", key=True),
    text("a", key=True),
    text("b", key=True),
    text("answer"),
    text("who"),
    moment("at", null=False),
)

pins = Table(
    "pins",
    metadata,
    text("entity", key=True),
    text("golden_id", key=True),
    text("field", key=True),
    text("value", null=True),
    text("who"),
    moment("at", null=False),
    moment("until"),
)

check_results = Table(
    "check_results",
    metadata,
    Column("result_id", Integer, primary_key=True, autoincrement=True),
    text("run_id"),
    text("entity"),
    text("field", null=True),
    text("expectation"),
    text("severity"),
    Column("passed", Integer, nullable=False),
    Column("checked", BigInteger),
    Column("failed", BigInteger),
    text("detail", null=True),
    text("says", null=True),
    moment("at", null=False),
    Index("check_results_by_run", "run_id"),
)

notices = Table(
    "notices",
    metadata,
    text("key", key=True),
    text("severity"),
    text("connection", null=True),
    text("text"),
    count("times", "1"),
    moment("opened_at", null=False),
    moment("last_seen_at", null=False),
    moment("closed_at"),
)
