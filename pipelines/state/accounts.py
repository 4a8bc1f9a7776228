"""Which owners have connected which account of a CRM."""

from __future__ import annotations

import sqlalchemy as sa

from pipelines.state import rows
from pipelines.state.database import State
from pipelines.state.service_more import webhook_accounts


def note(store: State, connection_name: str, owner: str, account: str | None) -> None:
    """The owner's connection is to this account now, and to no other; None: to none that is known."""
    c = webhook_accounts.c
    with store.write() as connection:
        connection.execute(sa.delete(webhook_accounts).where(c.connection == connection_name, c.owner == owner))
        if account is not None:
            rows.upsert(connection, webhook_accounts, [(connection_name, account, owner)])


def owners_of(store: State, connection_name: str, account: str) -> list[str]:
    """The owners who are connected to an account."""
    c = webhook_accounts.c
    query = sa.select(c.owner).where(c.connection == connection_name, c.account == account).order_by(c.owner)
    with store.read() as connection:
        return [str(owner) for owner in connection.execute(query).scalars()]
