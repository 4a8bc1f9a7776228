"""Run by Alembic: migrates over the connection and within the transaction of the caller."""

from __future__ import annotations

from alembic import context

from pipelines.state import push_tables, service_tables, tables
from pipelines.state.columns import metadata

assert {t.metadata for t in (push_tables.ledger, service_tables.jobs, tables.runs)} == {metadata}  # one register
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
