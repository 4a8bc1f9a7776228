"""Tables of webhooks and of who is forgotten.

`webhook_latest` and `webhook_accounts` belong to the whole service, `forgotten` to the owner whose state it lies in. A
change here needs a migration; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import Index, Table

from pipelines.state.columns import metadata, moment, text

# The newest moment that a webhook told of a record: an older one never undoes it.
webhook_latest = Table(
    "webhook_latest",
    metadata,
    text("owner", key=True),
    text("connection", key=True),
    text("entity", key=True),
    text("source_id", key=True),
    moment("occurred_at", null=False),
    sqlite_with_rowid=False,
)

# Whose account at a CRM is whose: an app that many have installed has one address for all their webhooks.
webhook_accounts = Table(
    "webhook_accounts",
    metadata,
    text("connection", key=True),
    text("account", key=True),
    text("owner", key=True),
)

# Who was erased, as a keyed hash: nothing here says who it was, and yet the next pull knows them.
forgotten = Table(
    "forgotten",
    metadata,
    text("connection", key=True),
    text("entity", key=True),
    text("hash", key=True),
    moment("at", null=False),
    Index("forgotten_by_connection", "connection"),
)
