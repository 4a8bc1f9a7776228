"""Logs in to a CRM and reads one record: what `crosswalk test` and the service's connect and test calls do."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from requests import Response
from requests.exceptions import RequestException

from pipelines.connections.connection import Connection
from pipelines.connections.errors import SettingsError
from pipelines.extract.request import filled
from pipelines.extract.shape import select
from pipelines.mapping.language import Request
from pipelines.wire import errors
from pipelines.wire.accounts import limiter_for
from pipelines.wire.session import Wire, open_wire

FIRST_ERROR = 400


@dataclass(frozen=True)
class Probe:
    """The login works. `latency_ms`: of the reading call, without the login; `what` was asked."""

    latency_ms: int
    what: str


def probe(connection: Connection, state: Any = None) -> Probe:
    """Logs in and makes the mapping's `connection.test` call, or the first entity's.

    Raises:
        CrmError: the login was refused, or the CRM cannot be reached; the text holds no secret.
        SettingsError: the connection is no HTTP one.
    """
    if connection.wire.kind != "http":
        raise SettingsError(f"{connection.name}: a connection of kind {connection.wire.kind} has no login to test")
    wire = open_wire(connection, limiter_for(connection, state))
    try:
        return _call(wire, connection, _request(connection))
    finally:
        wire.close()


def account(connection: Connection, state: Any = None) -> str | None:
    """The id of the CRM's account that the connection logs in to; None where the mapping does not say how to ask.

    Raises:
        CrmError: the CRM does not answer it.
    """
    asked = connection.mapping.webhook.account_of if connection.mapping.webhook else None
    if asked is None:
        return None
    wire = open_wire(connection, limiter_for(connection, state))
    try:
        response, _ = _answer(wire, connection, Request.model_validate({"path": asked.path}))
        found, value = select(response.json(), asked.at)
    finally:
        wire.close()
    return str(value) if found and isinstance(value, str | int) else None


def _request(connection: Connection) -> Request:
    if connection.wire.test is not None:
        return connection.wire.test
    entity = next(iter(connection.entities.values()))
    asked = filled(entity.extract, entity, None)
    return Request.model_validate(
        {"method": asked.method, "path": asked.path, "params": asked.params, "json": asked.json_body}
    )


def _call(wire: Wire, connection: Connection, request: Request) -> Probe:
    _, latency_ms = _answer(wire, connection, request)
    if wire.set_aside:
        details = wire.set_aside[0].reason
        raise errors.CrmRefused(connection.mapping.label, "Failed to read one record", details=details)
    return Probe(latency_ms, f"{request.method} {request.path or '/'}")


def _answer(wire: Wire, connection: Connection, request: Request) -> tuple[Response, int]:
    """The CRM's answer, and how many ms it took."""
    try:
        url = "/".join(part for part in (wire.log_in().rstrip("/"), request.path.lstrip("/")) if part)
        started = time.perf_counter()
        response = wire.session.request(
            request.method, url, params=request.params, json=request.json_body, headers=request.headers
        )
        latency_ms = round((time.perf_counter() - started) * 1000)
    except (RequestException, errors.CrmError) as cause:
        raise wire.failed("read one record", cause) from None
    if response.status_code >= FIRST_ERROR:
        raise errors.refused(connection.mapping.label, "read one record", wire.redact, response)
    return response, latency_ms
