"""Run by Alembic: migrates over the connection and within the transaction of the caller."""

from __future__ import annotations

from alembic import context

from pipelines.state.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
