"""Run by Alembic: migrates over the connection and within the transaction of the caller."""

from __future__ import annotations

from alembic import context

from pipelines.state import push_tables, service_more, service_tables, source_settings, tables
from pipelines.state.columns import metadata

TABLES = (
    push_tables.ledger, service_tables.jobs, service_more.forgotten, source_settings.source_settings, tables.runs,
)  # fmt: skip
assert {table.metadata for table in TABLES} == {metadata}  # one register
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
