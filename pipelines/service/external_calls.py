"""The one call that pushes a record to the external CRM, within the connection's limits, login and redaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from requests.exceptions import RequestException

from pipelines.connections.connection import Connection
from pipelines.push.paths import put
from pipelines.service.errors import ServiceError

if TYPE_CHECKING:
    from pipelines.service.context import Context

FIRST_ERROR = 400


def post_record(context: Context, connection: Connection, body: dict[str, Any]) -> None:
    """Sends a record to the address that the operator has set.

    Raises:
        ServiceError: 502, the external CRM refuses it or cannot be reached; the text holds no secret.
    """
    from pipelines.wire import errors
    from pipelines.wire.accounts import limiter_for
    from pipelines.wire.session import open_wire

    address = context.settings.external_crm_api_url or connection.wire.base_url or ""
    push = connection.entities["contacts"].push
    wrapped: dict[str, Any] = body
    if push is not None and push.wrap:
        wrapped = {}
        put(wrapped, push.wrap, body)
    wire = open_wire(connection, limiter_for(connection))
    try:
        wire.log_in()
        response = wire.session.request("POST", address, json=wrapped)
        if response.status_code >= FIRST_ERROR:
            raise errors.refused(connection.mapping.label, "push the user", wire.redact, response)
    except (RequestException, errors.CrmError) as cause:
        failed = wire.failed("push the user", cause)
        raise ServiceError(502, failed.message, details=failed.details or None) from None
    finally:
        wire.close()
