"""One address for the webhooks of many owners: each event goes to those who have connected the account it is about.

Which account a connection belongs to is asked of the CRM when it is connected or tested, and only where its address is
the operator's word: a machine of the user's own could say anything.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pipelines.connections.connection import Connection
from pipelines.connections.errors import SettingsError
from pipelines.connections.variables import Filler
from pipelines.extract.shape import select
from pipelines.mapping.problems import MappingErrors
from pipelines.mapping.webhook import Webhook
from pipelines.service.connections import mappings_of
from pipelines.service.webhooks.arrivals import arrival_of
from pipelines.service.webhooks.events import Event, split
from pipelines.service.webhooks.inbox import Arrival
from pipelines.state import accounts

if TYPE_CHECKING:
    from pipelines.service.context import Context

logger = logging.getLogger("crosswalk.service")
NOBODYS = "nobody has connected the account that the event is about"


def learn(context: Context, connection: Connection) -> None:
    """Asks the CRM which account the connection is to, and keeps it; a CRM that does not say so stops nothing."""
    from pipelines.extract.probe import account
    from pipelines.wire.errors import CrmError

    webhook = connection.mapping.webhook
    if webhook is None or webhook.account_of is None:
        return
    found = None
    try:
        if connection.wire.base_url == _address(context, connection):
            found = account(connection)
    except (CrmError, ValueError) as problem:
        logger.warning("[%s] its account is not known: %s", connection.name, context.redactor.text(problem))
    accounts.note(context.store, connection.name, connection.owner.name, found)


def _address(context: Context, connection: Connection) -> str | None:
    filler = Filler(connection.name, connection.mapping.crm, context.environment)
    filled = filler.fill(connection.mapping.connection.base_url)
    return None if filled is None else str(filled)


def of_the_app(context: Context, name: str) -> tuple[Webhook, str | None] | None:
    """What proves a delivery where the default owner has no such connection; None: there is no one address."""
    mapping = mappings_of(context).get(name)
    if mapping is None or mapping.webhook is None or mapping.webhook.account is None:
        return None
    secret = Filler(name, mapping.crm, context.environment).fill(mapping.webhook.secret or "")
    return mapping.webhook, secret or None


def routed(context: Context, name: str, webhook: Webhook, own: Connection | None, body: Any) -> list[Arrival]:
    """The events of a delivery to the one address, each for whom it is.

    Args:
        context: the running service.
        name: of the connections.
        webhook: as the mapping has it, with `account`.
        own: the default owner's connection, to whom events go that are of nobody else's account.
        body: of the delivery.
    """
    return [arrival for event in split(webhook, body) for arrival in _arrivals(context, name, webhook, own, event)]


def _arrivals(context: Context, name: str, webhook: Webhook, own: Connection | None, event: Event) -> Iterator[Arrival]:
    account = select(event.body, webhook.account)[1]
    owners = accounts.owners_of(context.store, name, str(account)) if isinstance(account, str | int) else []
    for owner in owners:
        try:
            yield arrival_of(context.connections(owner, name), event)
        except (SettingsError, MappingErrors) as problem:
            said = f"the connection cannot be used: {context.redactor.text(problem)}"
            yield _aside(owner, name, webhook, event, said)
    if not owners:
        default = context.settings.default_owner
        yield arrival_of(own, event) if own is not None else _aside(default, name, webhook, event, NOBODYS)


def _aside(owner: str, name: str, webhook: Webhook, event: Event, reason: str) -> Arrival:
    return Arrival(owner, name, webhook.scheme, event.body, event.event_id, event.occurred_at, reason=reason)
