"""Tables of the way back to the CRMs: plans, intents, the ledger, and what holds a push back.

A change here needs a migration in `migrations/versions/`; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ColumnElement, Float, Index, Integer, Table, UniqueConstraint, literal_column

from pipelines.state.columns import count, metadata, moment, text

holds = Table(
    "holds",
    metadata,
    text("record_key", key=True),
    text("entity", key=True),
    text("field", key=True),
    text("golden_value", null=True),
    moment("since"),
    text("why"),
    text("run_id"),
    moment("at", null=False),
)

looked_up = Table(
    "looked_up",
    metadata,
    text("connection", key=True),
    text("name", key=True),
    text("asked", key=True),
    text("found"),
    moment("at", null=False),
)

plans = Table(
    "plans",
    metadata,
    text("plan_id", key=True),
    text("run_id"),
    text("connection"),
    text("kind"),
    text("status"),
    text("guard", null=True),
    text("summary"),
    moment("created_at", null=False),
    moment("finished_at"),
)

IN_WORK: ColumnElement[bool] = literal_column("status NOT IN ('done', 'adopted', 'superseded')")
WAITING: ColumnElement[bool] = literal_column("status IN ('failed', 'dead', 'skipped', 'uncertain')")
"""Those intents that indexes hold: most have ended well, and nobody asks for them. A query says it in these words, or
is not answered by the index."""

intents = Table(
    "intents",
    metadata,
    text("intent_id", key=True),
    text("run_id"),
    text("connection"),
    text("entity"),
    text("action"),
    text("golden_id"),
    text("record_key", null=True),
    text("payload"),
    text("fingerprint"),
    text("status"),
    count("attempt"),
    Column("http_status", Integer),
    text("error", null=True),
    text("correlation_id", null=True),
    moment("planned_at", null=False),
    moment("sent_at"),
    moment("settled_at"),
    moment("next_attempt_at"),
    Index("intents_in_work", "connection", "status", sqlite_where=IN_WORK, postgresql_where=IN_WORK),
    Index("intents_waiting", "connection", "entity", "golden_id", sqlite_where=WAITING, postgresql_where=WAITING),
)

ledger = Table(
    "ledger",
    metadata,
    Column("entry_id", Integer, primary_key=True, autoincrement=True),
    text("intent_id"),
    text("run_id"),
    text("connection"),
    text("entity"),
    text("golden_id"),
    text("record_key", null=True),
    text("action"),
    text("fields"),
    text("status"),
    Column("http_status", Integer),
    text("error", null=True),
    count("attempt"),
    moment("planned_at", null=False),
    moment("sent_at"),
    moment("settled_at"),
    text("correlation_id", null=True),
    Index("ledger_by_run", "run_id", "connection"),
)

IS_REWRITTEN: ColumnElement[bool] = literal_column("is_rewritten > 0")
"""What a query says to be answered by the index of what a CRM keeps in its own way: the plan asks for these alone."""

echoes = Table(
    "echoes",
    metadata,
    text("entity", key=True),
    text("record_key", key=True),
    text("connection"),
    text("fields"),
    count("is_rewritten"),
    Index("echoes_rewritten", "entity", "connection", sqlite_where=IS_REWRITTEN, postgresql_where=IS_REWRITTEN),
    sqlite_with_rowid=False,
)

created = Table(
    "created",
    metadata,
    text("entity", key=True),
    text("record_key", key=True),
    text("connection"),
    text("golden_id"),
    text("intent_id"),
    text("run_id"),
    text("how"),
    moment("at", null=False),
    Index("created_by_golden", "connection", "entity", "golden_id"),
)

conflicts = Table(
    "conflicts",
    metadata,
    Column("conflict_id", Integer, primary_key=True, autoincrement=True),
    text("run_id"),
    text("connection"),
    text("entity"),
    text("golden_id"),
    text("record_key"),
    text("field"),
    text("ours", null=True),
    text("theirs", null=True),
    text("kept"),
    text("rule"),
    moment("ours_since"),
    moment("theirs_since"),
    moment("at", null=False),
    UniqueConstraint("record_key", "entity", "field", "ours", "theirs", name="conflicts_once"),
)

never_sync = Table(
    "never_sync",
    metadata,
    text("connection", key=True),
    text("entity", key=True),
    text("source_id", key=True),
    text("why"),
    text("who"),
    moment("at", null=False),
)

pauses = Table(
    "pauses",
    metadata,
    text("connection", key=True),
    text("why"),
    text("who"),
    moment("at", null=False),
)

pilots = Table(
    "pilots",
    metadata,
    text("connection", key=True),
    Column("most", Integer),
    text("only"),
    text("who"),
    moment("at", null=False),
)

limiter_windows = Table(
    "limiter_windows",
    metadata,
    text("account", key=True),
    text("window", key=True),
    moment("started_at", null=False),
    count("used", kind=BigInteger),
)

baselines = Table(
    "baselines",
    metadata,
    text("connection", key=True),
    text("entity", key=True),
    text("metric", key=True),
    Column("value", Float, nullable=False),
    text("run_id"),
    moment("at", null=False),
)
