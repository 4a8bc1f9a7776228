"""Salesforce's REST API: OAuth, SOQL, single records, collections, composite calls, describe, replication, limits.

Source: fact sheet salesforce 2.1 to 2.6 (vendor documentation, recorded traffic, third-party clients). Each module says
what is UNVERIFIED in it. Not emulated: Bulk API, SOAP, SOSL, outbound messages, change data capture.

Chosen where the sources are silent: `instance_url` is the address the caller used, and where the sandbox serves several
CRMs it ends with the mount. A `nextRecordsUrl` is a path from the root of the host, as the vendor's, and so begins with
the mount; a client that puts it behind `instance_url` names the mount twice, and is understood, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Protocol

from starlette.responses import Response

from pipelines.sandbox.crm import Crm
from pipelines.sandbox.crms.salesforce import errors, oauth, schema, seeding
from pipelines.sandbox.crms.salesforce.collection_calls import CollectionCalls
from pipelines.sandbox.crms.salesforce.composite_calls import CompositeCalls
from pipelines.sandbox.crms.salesforce.ids import record_id
from pipelines.sandbox.crms.salesforce.query_calls import QueryCalls, stamp
from pipelines.sandbox.crms.salesforce.record_calls import RecordCalls
from pipelines.sandbox.crms.salesforce.writing import Writer
from pipelines.sandbox.limits import Exceeded, Limit, Limiter
from pipelines.sandbox.store import Body, Record
from pipelines.sandbox.wire import Call, Refused, Route

DAY = 86_400.0


class Emulator(Crm):
    """One Salesforce organisation.

    Settings: `session_seconds`, how long a session holds; `batch_size`, records in a page of a query; `daily_requests`,
    the calls of a rolling day; `bin_days`, how long the recycle bin keeps; `id_limit`, ids of one replication call;
    `duplicate_rule`, whether a contact with a known e-mail is refused.
    """

    name = "salesforce"
    limits = (Limit(15_000, DAY, "/services/data/*", "TotalRequests"),)
    settings: ClassVar[Mapping[str, Any]] = {
        "session_seconds": 7_200, "batch_size": 2_000, "daily_requests": 15_000, "bin_days": 15, "id_limit": 600_000,
        "duplicate_rule": False,
    }  # fmt: skip
    editable: ClassVar[Mapping[str, str]] = {
        "Contact": "Title", "Lead": "Title", "Opportunity": "NextStep", "Property__c": "Name",
    }  # fmt: skip

    def routes(self) -> list[Route]:
        """Returns the routes of all parts of the API."""
        writer = Writer(self)
        self.queries = QueryCalls(self)
        parts: list[_Part] = [
            oauth.Login(self), self.queries, CollectionCalls(self, writer), CompositeCalls(self),
            RecordCalls(self, writer),
        ]  # fmt: skip
        return [route for part in parts for route in part.routes()]

    def environment(self, url: str) -> dict[str, str]:
        """Returns what a connected app has."""
        return {
            "SALESFORCE_LOGIN_URL": url,
            "SALESFORCE_CLIENT_ID": oauth.CLIENT_ID,
            "SALESFORCE_CLIENT_SECRET": oauth.CLIENT_SECRET,
            "SALESFORCE_REFRESH_TOKEN": oauth.REFRESH_TOKEN,
            "SALESFORCE_USERNAME": oauth.USERNAME,
            "SALESFORCE_PASSWORD": oauth.PASSWORD,
        }

    def seed(self) -> Iterator[Record]:
        """Yields what the world has for this organisation."""
        for record in seeding.seed(self.copy):
            self.stamp(record)
            yield record

    def stamp(self, record: Record) -> None:
        """Writes id and times, which have no parts of seconds, and whether it is deleted."""
        record.created, record.modified = float(int(record.created)), float(int(record.modified))
        record.body |= {
            "Id": record.id,
            "IsDeleted": record.deleted,
            schema.CREATED: stamp(record.created),
            schema.MODIFIED: stamp(record.modified),
            schema.STAMP: stamp(record.modified),
        }

    def new(self, entity: str, id: str | int, body: Body) -> Record:
        """Adds a record; what a user copies from another has not the other's external id."""
        for known in schema.OBJECTS[entity].fields.values() if entity in schema.OBJECTS else ():
            if known.is_unique and (value := body.get(known.name)):
                where = f"deleted = 0 and body ->> '$.{known.name}' = ?"
                body = body | {known.name: None} if self.store.count(entity, where, [value]) else body
        return super().new(entity, id, body)

    def new_id(self, entity: str) -> str:
        """Returns an id that sorts behind all earlier ones."""
        number = self.store.next_number(entity, max(5_000_000, 4 * self.world.size))
        return record_id(schema.OBJECTS[entity].prefix, number)

    def reset(self) -> None:
        """Puts everything back to the beginning."""
        super().reset()
        self.queries.cursors.clear()

    def respond(self, call: Call) -> Response:
        """Answers a call; slashes at the end, and a mount that was named twice, do no harm."""
        mount = oauth.mount_of(call)
        path = call.path.removeprefix(mount) if mount and call.path.startswith(f"{mount}/") else call.path
        call.path = path.rstrip("/") or "/"
        return super().respond(call)

    def authorize(self, call: Call) -> None:
        """Lets the bearer of a session pass."""
        if self.tokens.grant(oauth.session_of(call.bearer())) is None:
            raise errors.session_expired()
        call.client = oauth.CLIENT

    def _hold_to_limits(self, call: Call) -> None:
        """Counts every call, since answers tell the number; refuses only when asked to."""
        most = self.switches["daily_requests"]
        if self.limiter.limits[0].requests != most:
            self.limiter = Limiter((Limit(most, DAY, "/services/data/*", "TotalRequests"),))
        exceeded = self.limiter.exceeded("org", call.method, call.path)
        if exceeded and self.is_limited:
            raise Refused(self.too_many(call, exceeded.wait, exceeded))

    def too_many(self, call: Call, wait: float, exceeded: Exceeded | None = None) -> Response:  # noqa: ARG002
        """Answers 403, without Retry-After."""
        return errors.error("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", 403)

    def unknown(self, call: Call) -> Response:
        """Answers 404, or 405 where the path exists for another method."""
        if not self.router.knows(call.path):
            return errors.not_found()
        message = f"HTTP Method '{call.method}' not allowed. Allowed are others"
        return errors.error("METHOD_NOT_ALLOWED", message, 405)

    def failure(self, status: int) -> Response:
        """Answers a server error."""
        return errors.error("SERVER_UNAVAILABLE" if status == 503 else "UNKNOWN_EXCEPTION", "try again", status)

    def finish(self, call: Call, response: Response) -> None:
        """Says how much of the day's calls is used; not where there is no body."""
        if call.client and response.status_code not in (204, 304):
            limit = self.limiter.limits[0]
            used = limit.requests - self.limiter.left("org", limit)
            response.headers["Sforce-Limit-Info"] = f"api-usage={used}/{limit.requests}"


class _Part(Protocol):
    def routes(self) -> list[Route]: ...
