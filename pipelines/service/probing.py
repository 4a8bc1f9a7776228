"""Logs in to a CRM and reads one record, and says what went wrong in the contracts' words."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from pipelines.connections.addresses import guarded
from pipelines.connections.connection import Connection
from pipelines.connections.errors import NoCredentials, SettingsError
from pipelines.connections.owner import Owner
from pipelines.connections.redact import Redactor
from pipelines.mapping.problems import MappingErrors
from pipelines.service.connections import allowed, known_source, resolve_for
from pipelines.service.errors import ServiceError
from pipelines.service.webhooks import accounts
from pipelines.state import service_connections

if TYPE_CHECKING:
    from pipelines.service.context import Context


def log_in(context: Context, owner: Owner, name: str) -> int:
    """Tries an owner's connection; the reading call's latency in ms.

    Raises:
        ServiceError: 400 where it is not connected or wrongly set up, 502 where the CRM refuses or cannot be reached.
    """
    try:
        connection = resolve_for(context, owner, name)
    except NoCredentials:
        label = known_source(context, name).label
        raise ServiceError(400, f"{label} is not connected", details="Connect it, or set its credentials") from None
    except (SettingsError, MappingErrors) as problem:
        raise ServiceError(400, f"{name} cannot be used", details=str(problem)) from None
    by_user = service_connections.get(context.state_of(owner), name) is not None
    return tried(context, connection, on_a_users_word=by_user)


def tried(context: Context, connection: Connection, *, on_a_users_word: bool) -> int:
    """Logs in and reads one record; the reading call's latency in ms.

    Raises:
        ServiceError: 502, without a secret; 400 where the connection cannot be logged in to at all.
    """
    from pipelines.extract.probe import probe
    from pipelines.wire.errors import CrmError

    if connection.wire.kind != "http":
        return 0
    try:
        with guarded(allowed(context)) if on_a_users_word else nullcontext():
            latency_ms = probe(connection).latency_ms
            accounts.learn(context, connection)
            return latency_ms
    except CrmError as refused:
        said = Redactor(connection.secrets)
        raise ServiceError(502, said.text(refused.message), details=said.text(refused.details) or None) from None
    except SettingsError as problem:
        raise ServiceError(400, str(problem)) from None
