"""The connections an owner has made over the API, in the owner's state; credentials are sealed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pipelines.connections.connection import Settings
from pipelines.connections.stored import Stored
from pipelines.connections.vault import Sealed, Vault
from pipelines.state import rows
from pipelines.state.database import State, now_us
from pipelines.state.service_tables import service_connections

CONNECTED, ERROR = "connected", "error"


@dataclass(frozen=True)
class Kept:
    """One connection without its credentials; moments in microseconds since 1970."""

    provider: str
    settings: Settings
    field_mapping: dict[str, Any]
    sealed: Sealed
    connected_at: int
    last_sync: int | None
    status: str
    last_error: str | None


def save(state: State, stored: Stored, sealed: Sealed) -> None:
    """Keeps a connection; one of the same provider is replaced."""
    values = (
        stored.provider,
        stored.provider,
        stored.settings.model_dump_json(exclude_unset=True),
        json.dumps(dict(stored.field_mapping or {})),
        sealed.key_id,
        sealed.nonce,
        sealed.ciphertext,
        now_us(),
        None,
        CONNECTED,
        None,
    )
    with state.write() as connection:
        rows.upsert(connection, service_connections, [values])


def change(
    state: State, provider: str, settings: Settings | None = None, field_mapping: Mapping[str, Any] | None = None
) -> None:
    """Replaces what is given, and leaves the rest."""
    values: dict[str, Any] = {}
    if settings is not None:
        values["settings"] = settings.model_dump_json(exclude_unset=True)
    if field_mapping is not None:
        values["field_mapping"] = json.dumps(dict(field_mapping))
    if values:
        _set(state, provider, values)


def synced(state: State, provider: str, error: str | None = None) -> None:
    """Notes how a sync ended; `error` holds no secret."""
    done = {"status": ERROR, "last_error": error} if error else {"status": CONNECTED, "last_error": None}
    _set(state, provider, done if error else {**done, "last_sync": now_us()})


def reseal(state: State, provider: str, before: Sealed, after: Sealed) -> bool:
    """Puts a newly sealed set in place of another; False where it was replaced meanwhile."""
    table = service_connections.c
    values = {"key_id": after.key_id, "nonce": after.nonce, "ciphertext": after.ciphertext}
    with state.write() as connection:
        statement = sa.update(service_connections).where(table.name == provider, table.nonce == before.nonce)
        return connection.execute(statement.values(**values)).rowcount == 1


def remove(state: State, provider: str) -> bool:
    """Forgets a connection and its credentials; False where there is none."""
    with state.write() as connection:
        statement = sa.delete(service_connections).where(service_connections.c.name == provider)
        return connection.execute(statement).rowcount == 1


def get(state: State, provider: str) -> Kept | None:
    """One connection; None where there is none."""
    return next((one for one in load(state, provider)), None)


def load(state: State, provider: str | None = None) -> list[Kept]:
    """All connections of the owner, by provider."""
    query = sa.select(service_connections).order_by(service_connections.c.name)
    if provider is not None:
        query = query.where(service_connections.c.name == provider)
    with state.read() as connection:
        return [_kept(row) for row in connection.execute(query).mappings()]


def opened(kept: Kept, owner: str, vault: Vault) -> Stored:
    """The connection with its credentials.

    Raises:
        NotOpened: they were sealed for somebody else, with a key that is gone, or were changed.
    """
    credentials = vault.open(owner, kept.provider, kept.sealed)
    return Stored(kept.provider, credentials, kept.settings, kept.field_mapping)


def _kept(row: Any) -> Kept:
    sealed = Sealed(str(row["key_id"]), bytes(row["nonce"]), bytes(row["ciphertext"]))
    fields = json.loads(row["field_mapping"] or "{}")
    settings = Settings.model_validate_json(row["settings"])
    times = (int(row["connected_at"]), row["last_sync"], str(row["status"]), row["last_error"])
    return Kept(str(row["provider"]), settings, fields, sealed, *times)


def _set(state: State, provider: str, values: Mapping[str, Any]) -> None:
    with state.write() as connection:
        connection.execute(
            sa.update(service_connections).where(service_connections.c.name == provider).values(**values)
        )
