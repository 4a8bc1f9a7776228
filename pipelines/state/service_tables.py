"""Tables of the service: users, jobs, schedules, webhooks, limits, audit; per owner: what was connected or entered.

Rows of the whole service lie in the state of the owner `_service`; connections, local records and segments lie in the
state of the owner they belong to. A change here needs a migration; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, Table, UniqueConstraint, false, true

from pipelines.state.columns import count, metadata, moment, text


def flag(name: str, *, default: bool) -> Column[bool]:
    """A column that is true or false, never NULL."""
    return Column(name, Boolean, nullable=False, server_default=true() if default else false())


def serial(name: str) -> Column[int]:
    """A primary key that counts up."""
    return Column(name, Integer, primary_key=True, autoincrement=True)


# email_key is the address as it is compared: without case. Lists and metadata are JSON text.
users = Table(
    "users",
    metadata,
    text("id", key=True),
    text("email"),
    text("email_key"),
    text("name"),
    text("first_name"),
    text("last_name"),
    text("external_id", null=True),
    text("kinde_user_id", null=True),
    text("tenant_id"),
    text("role"),
    flag("is_active", default=True),
    flag("is_admin", default=False),
    text("department", null=True),
    text("title", null=True),
    text("avatar", null=True),
    moment("last_active_at"),
    text("subscription_tier", null=True),
    text("roles"),
    text("permissions"),
    text("allowed_applications"),
    text("metadata"),
    text("synced_from"),
    moment("last_synced_at", null=False),
    moment("created_at", null=False),
    moment("updated_at", null=False),
    UniqueConstraint("tenant_id", "email_key", name="users_email_once"),
    UniqueConstraint("tenant_id", "external_id", name="users_external_id_once"),
    Index("users_by_email", "email"),
    Index("users_by_tenant", "tenant_id"),
    Index("users_by_kinde_user", "kinde_user_id"),
    Index("users_by_external_id", "external_id"),
)

tenants = Table(
    "tenants",
    metadata,
    text("id", key=True),
    text("name"),
    text("subdomain", null=True),
    text("kinde_org_id", null=True),
)

sync_logs = Table(
    "sync_logs",
    metadata,
    serial("id"),
    text("tenant_id", null=True),
    text("operation"),
    count("total_users"),
    count("successful"),
    count("failed"),
    count("deactivated"),
    text("source"),
    count("duration_ms"),
    text("status"),
    text("details"),
    moment("synced_at", null=False),
    Index("sync_logs_by_tenant", "tenant_id", "synced_at"),
)

jobs = Table(
    "jobs",
    metadata,
    text("job_id", key=True),
    text("owner"),
    text("kind"),
    text("connection", null=True),
    text("status"),
    text("params"),
    text("progress", null=True),
    text("result", null=True),
    text("error", null=True),
    moment("created_at", null=False),
    moment("started_at"),
    moment("finished_at"),
    Column("pid", Integer),
    moment("heartbeat_at"),
    count("attempts"),
    moment("next_at"),
    Index("jobs_by_status", "status", "next_at"),
    Index("jobs_by_owner", "owner", "created_at"),
)

schedules = Table(
    "schedules",
    metadata,
    text("owner", key=True),
    text("connection", key=True),
    text("cron", null=True),
    Column("interval_minutes", Integer),
    count("jitter_seconds"),
    flag("enabled", default=True),
    moment("next_at"),
    moment("last_at"),
    count("attempts"),
)

webhook_inbox = Table(
    "webhook_inbox",
    metadata,
    serial("inbox_id"),
    text("owner"),
    text("connection"),
    text("scheme"),
    text("event_id"),
    moment("occurred_at"),
    moment("received_at", null=False),
    text("body"),
    text("headers"),
    text("status"),
    text("reason", null=True),
    moment("done_at"),
    UniqueConstraint("owner", "connection", "event_id", name="webhook_inbox_once"),
    Index("webhook_inbox_by_status", "status", "inbox_id"),
    sqlite_autoincrement=True,
)

audit = Table(
    "audit",
    metadata,
    serial("audit_id"),
    text("owner"),
    text("who"),
    text("what"),
    text("connection", null=True),
    text("records", null=True),
    text("request_id", null=True),
    text("address", null=True),
    moment("at", null=False),
    Index("audit_by_owner", "owner", "audit_id"),
    sqlite_autoincrement=True,
)

rate_limits = Table(
    "rate_limits",
    metadata,
    text("key", key=True),
    moment("window_start", null=False),
    Column("count", BigInteger, nullable=False, server_default="0"),
)

service_connections = Table(
    "service_connections",
    metadata,
    text("name", key=True),
    text("provider"),
    text("settings"),
    text("field_mapping", null=True),
    text("key_id"),
    Column("nonce", LargeBinary, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    moment("connected_at", null=False),
    moment("last_sync"),
    text("status"),
    text("last_error", null=True),
)

local_records = Table(
    "local_records",
    metadata,
    text("entity", key=True),
    text("record_id", key=True),
    text("record"),
    moment("created_at", null=False),
    moment("updated_at", null=False),
    moment("deleted_at"),
)

segments = Table(
    "segments",
    metadata,
    text("name", key=True),
    text("entity"),
    text("filters"),
    moment("created_at", null=False),
)
