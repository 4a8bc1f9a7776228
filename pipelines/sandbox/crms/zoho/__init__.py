"""Zoho CRM v2 to v8: modules, search, COQL, deleted records, batches, contact roles, users, metadata, OAuth.

Source: fact sheet zoho 3.1 to 3.7 (vendor documentation and specification, recorded traffic). Each module says what is
UNVERIFIED in it. The accounts host, which is bound to a data centre, and the API host are one here: the mount; a client
must go where `api_domain` of the token answer sends it (switch `data_centre`). Not emulated: conversion of leads,
composite requests, bulk jobs, notifications, JWT, `x-external` of lookups, the limit of calls in flight.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from starlette.responses import Response

from pipelines.sandbox.crm import Crm
from pipelines.sandbox.crms.zoho import errors, oauth, schema, seeding
from pipelines.sandbox.crms.zoho.coql import Coql
from pipelines.sandbox.crms.zoho.credits import Credits, cost
from pipelines.sandbox.crms.zoho.org import Org
from pipelines.sandbox.crms.zoho.reading import Reading
from pipelines.sandbox.crms.zoho.roles import Roles
from pipelines.sandbox.crms.zoho.search import Search
from pipelines.sandbox.crms.zoho.settings import Settings
from pipelines.sandbox.crms.zoho.users import Users
from pipelines.sandbox.crms.zoho.values import zoned
from pipelines.sandbox.crms.zoho.writing import Writing
from pipelines.sandbox.limits import Exceeded, Limit
from pipelines.sandbox.store import Record
from pipelines.sandbox.wire import Call, Refused, Route
from pipelines.sandbox.world import World

DAILY = Limit(50_000, 86_400.0, name="credits")


class Emulator(Crm):
    """One Zoho organisation.

    Settings: `token_seconds`, the lifetime of an access token; `credits`, in a day; `mixed_status`, the status of a
    batch whose rows fare differently; `token_rows`, how many records page tokens lead through; `search_lag`, seconds
    until the search sees a change; `forbidden_modules`, 403; `data_centre`, e.g. "eu": the API is then served below
    that name only, as `api_domain` of the token answer says.
    """

    name = "zoho"
    limits = (DAILY,)
    settings: ClassVar[Mapping[str, Any]] = {
        "token_seconds": 3600, "credits": DAILY.requests, "mixed_status": 207, "search_lag": 0, "token_rows": 100_000,
        "forbidden_modules": [], "data_centre": "",
    }  # fmt: skip
    editable: ClassVar[Mapping[str, str]] = {"Contacts": "Last_Name", "Deals": "Deal_Name", "Properties": "Name"}

    def __init__(self, world: World, path: Path | None = None) -> None:
        super().__init__(world, path)
        for name in ("Email", "External_Id"):
            self.store.connection.execute(
                f"create index if not exists records_by_{name} on records (entity, lower(body ->> '$.{name}'))"
            )

    def routes(self) -> list[Route]:
        """Returns the routes; those with a name of their own come before the modules."""
        self.accounts, self.credits = oauth.Accounts(self), Credits()
        org = Org(self)
        parts = (
            self.accounts,
            Settings(org),
            Users(org),
            Coql(org),
            Roles(org),
            Search(org),
            Reading(org),
            Writing(org),
        )
        return [route for part in parts for route in part.routes()]

    def environment(self, url: str) -> dict[str, str]:
        """Returns the accounts host and what a registered client has."""
        return {
            "ZOHO_ACCOUNTS_URL": url,
            "ZOHO_CLIENT_ID": oauth.CLIENT_ID,
            "ZOHO_CLIENT_SECRET": oauth.CLIENT_SECRET,
            "ZOHO_REFRESH_TOKEN": oauth.REFRESH_TOKEN,
        }

    def seed(self) -> Iterator[Record]:
        """Yields users, accounts, contacts, properties and deals."""
        for record in seeding.seed(self.copy):
            self.stamp(record)
            yield record

    def stamp(self, record: Record) -> None:
        """Writes id and times, which have whole seconds and the offset of the organisation."""
        record.created, record.modified = math.floor(record.created), math.floor(record.modified)
        record.body["id"] = record.id
        record.body["Modified_Time"] = zoned(record.modified)
        if record.entity != "users":
            record.body["Created_Time"] = zoned(record.created)
        if record.entity in ("Contacts", "Leads"):
            record.body["Full_Name"] = seeding.full_name(record.body)

    def new_id(self, entity: str) -> str:  # noqa: ARG002
        """Returns an id above all that the seed gave, so that the order of ids is the order of creation."""
        return str(self.store.next_number("ids", schema.FIRST_NEW))

    def reset(self) -> None:
        """Puts everything back to the beginning."""
        super().reset()
        self.credits.forget()
        self.accounts.limiter.forget()

    def respond(self, call: Call) -> Response:
        """Answers a call, at the API host of the data centre where one is set."""
        centre = self.switches["data_centre"]
        if centre and call.path.startswith(f"/{centre}/"):
            call.path = call.path.removeprefix(f"/{centre}")
        elif centre and call.path.startswith("/crm"):
            return errors.error("INVALID_TOKEN", 401)
        return super().respond(call)

    def authorize(self, call: Call) -> None:
        """Lets an access token pass until it ends; `Bearer` will do for `Zoho-oauthtoken`."""
        token = call.bearer("Zoho-oauthtoken") or call.bearer()
        grant = self.tokens.grant(token.removeprefix("1000."))
        if grant is None:
            raise Refused(errors.error("INVALID_TOKEN" if token else "AUTHENTICATION_FAILURE", 401))
        call.client = grant.client
        call.memo["until"] = grant.until

    def _hold_to_limits(self, call: Call) -> None:
        if not call.client:
            return
        allowed = self.switches["credits"] if self.is_limited else None
        if not self.credits.spend(cost(call), self.clock.now(), allowed):
            raise Refused(self.too_many(call, 0.0))

    def too_many(self, call: Call, wait: float, exceeded: Exceeded | None = None) -> Response:  # noqa: ARG002
        """Answers 429 without Retry-After."""
        return errors.error("TOO_MANY_REQUESTS", 429)

    def finish(self, call: Call, response: Response) -> None:
        """Says when the token ends, and from half the credits on how many are left."""
        if not call.client:
            return
        response.headers["x-accesstoken-reset"] = zoned(call.memo["until"])
        allowed = self.switches["credits"]
        if self.credits.used * 2 >= allowed:
            response.headers["X-API-CREDITS-REMAINING"] = str(max(0, allowed - self.credits.used))

    def unknown(self, call: Call) -> Response:
        """Answers 404, or 405 where the path takes other methods."""
        if self.router.knows(call.path):
            return errors.error("METHOD_NOT_ALLOWED", 405)
        return errors.error("INVALID_URL_PATTERN", 404)

    def failure(self, status: int) -> Response:
        """Answers a server error."""
        return errors.error("INTERNAL_ERROR", status)
