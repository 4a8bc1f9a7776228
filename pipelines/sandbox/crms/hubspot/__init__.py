"""HubSpot's CRM: objects, search, batches, associations, owners, pipelines, properties, OAuth and private-app tokens.

Source: fact sheet hubspot 1.1 to 1.6 (vendor documentation, the vendor's specifications, recorded traffic). Each module
says what is UNVERIFIED in it. Not emulated: imports, exports, lists, engagements, webhooks. Chosen where the sources
are silent: ids of eight digits; a mail address that a second contact of the world shares stays with the first, for
HubSpot lets no two contacts have one; unknown names in `properties` of a read are passed over; 404 for unknown paths.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Protocol

from starlette.responses import Response

from pipelines.sandbox import clock
from pipelines.sandbox.crm import Crm
from pipelines.sandbox.crms.hubspot import errors, oauth, records, seeding
from pipelines.sandbox.crms.hubspot.batch_calls import BatchCalls
from pipelines.sandbox.crms.hubspot.link_calls import LinkCalls
from pipelines.sandbox.crms.hubspot.links import Links
from pipelines.sandbox.crms.hubspot.objects import Objects
from pipelines.sandbox.crms.hubspot.portal import Portal, stamp_owner
from pipelines.sandbox.crms.hubspot.reading import Reading, before
from pipelines.sandbox.crms.hubspot.schema import TYPES, object_type
from pipelines.sandbox.crms.hubspot.single_calls import SingleCalls
from pipelines.sandbox.crms.hubspot.writing import Writer
from pipelines.sandbox.limits import Exceeded, Limit, Limiter
from pipelines.sandbox.store import Body, Record
from pipelines.sandbox.wire import Call, Refused, Route, answer

PRIVATE_TEN_SECONDS = Limit(190, 10.0, name="TEN_SECONDLY_ROLLING")
OAUTH_TEN_SECONDS = Limit(110, 10.0, name="TEN_SECONDLY_ROLLING")
DAILY = Limit(625_000, 86_400.0, name="DAILY")
SEARCH = Limit(5, 1.0, "*/search", "SECONDLY")
BY_NAME = {kind.name: kind for kind in TYPES}


class Emulator(Crm):
    """One HubSpot portal.

    Settings: `token_seconds`, the lifetime of an OAuth token; `index_lag`, seconds until the search sees a change;
    `search_cap`, results a query may page through; `say_policy`, whether a 429 has `policyName`; `withheld_scopes`,
    scopes whose calls are refused with 403, e.g. ["crm.objects.owners.read"].
    """

    name = "hubspot"
    limits = (PRIVATE_TEN_SECONDS, SEARCH, DAILY)
    settings: ClassVar[Mapping[str, Any]] = {
        "token_seconds": 1800, "index_lag": 0, "search_cap": 10_000, "say_policy": True, "withheld_scopes": [],
    }  # fmt: skip
    editable: ClassVar[Mapping[str, str]] = {"contacts": "company", "deals": "dealname", "listings": "hs_name"}

    def routes(self) -> list[Route]:
        """Returns the routes of all parts of the API."""
        self.login = oauth.Login(self)
        self.app_limiter = Limiter((OAUTH_TEN_SECONDS, SEARCH))
        self.objects = objects = Objects(self)
        writer = Writer(objects, links := Links(self.store))
        parts: list[_Part] = [
            self.login, Portal(objects), BatchCalls(objects, writer), Reading(objects), SingleCalls(objects, writer),
            LinkCalls(objects, links),
        ]  # fmt: skip
        return [route for part in parts for route in part.routes()]

    def environment(self, url: str) -> dict[str, str]:
        """Returns the static token of a private app, and what an OAuth app has."""
        return {
            "HUBSPOT_API_BASE_URL": url,
            "HUBSPOT_ACCESS_TOKEN": oauth.PRIVATE_TOKEN,
            "HUBSPOT_CLIENT_ID": oauth.CLIENT_ID,
            "HUBSPOT_CLIENT_SECRET": oauth.CLIENT_SECRET,
            "HUBSPOT_REFRESH_TOKEN": oauth.REFRESH_TOKEN,
        }

    def seed(self) -> Iterator[Record]:
        """Yields what the world has for this portal."""
        for record in seeding.seed(self.copy):
            self.stamp(record)
            yield record

    def stamp(self, record: Record) -> None:
        """Writes id and times; times have milliseconds, as search filters compare them."""
        record.created, record.modified = round(record.created, 3), round(record.modified, 3)
        if record.entity == "owners":
            stamp_owner(record)
        elif kind := BY_NAME.get(record.entity):
            record.body |= {
                "hs_object_id": record.id,
                kind.created: clock.iso_millis(record.created),
                kind.modified: clock.iso_millis(record.modified),
            }

    def new(self, entity: str, id: str | int, body: Body) -> Record:
        """Adds a record; what a user copies from another has not the other's mail address or key."""
        for known in self.objects.properties(kind).values() if (kind := BY_NAME.get(entity)) else ():
            if known.unique and (value := body.get(known.name)):
                where = f"deleted = 0 and body ->> '$.\"{known.name}\"' = ?"
                body = body | {known.name: None} if self.store.count(entity, where, [value]) else body
        return super().new(entity, id, body)

    def touch(self, record: Record) -> Record:
        """Writes a record back; a search index that lags keeps what it had of it."""
        if lag := self.switches["index_lag"]:
            self._keep_indexed(record, self.clock.now() - lag)
        return super().touch(record)

    def _keep_indexed(self, record: Record, cut: float) -> None:
        old, place = self.store.get(record.entity, record.id), before(record.entity)
        if old is None or old.modified > cut:
            return
        kept = Record(place, old.id, old.body, old.created, old.modified, old.deleted)
        if self.store.get(place, old.id):
            self.store.save(kept)
        else:
            self.store.add(kept)

    def new_id(self, entity: str) -> str:
        """Returns an id above all that the seed gave, so that the order of ids is the order of creation."""
        return str(self.store.next_number(entity, records.FIRST_NEW))

    def reset(self) -> None:
        """Puts everything back to the beginning."""
        super().reset()
        self.app_limiter.forget()
        self.login.ends.clear()

    def authorize(self, call: Call) -> None:
        """Lets the private app's token pass, and OAuth tokens until they expire."""
        token = call.bearer()
        if token == oauth.PRIVATE_TOKEN:
            call.client = "private"
        elif self.tokens.grant(token):
            call.client = oauth.APP
        elif token in self.login.ends:
            raise Refused(errors.expired(max(0.0, self.clock.now() - self.login.ends[token])))
        else:
            raise Refused(errors.unauthenticated())
        scope = _scope(call)
        if scope in self.switches["withheld_scopes"]:
            raise Refused(errors.missing_scope(scope))

    def _hold_to_limits(self, call: Call) -> None:
        limiter = self.app_limiter if call.client == oauth.APP else self.limiter
        if self.is_limited and (exceeded := limiter.exceeded(call.client, call.method, call.path)):
            raise Refused(self.too_many(call, exceeded.wait, exceeded))

    def too_many(self, call: Call, wait: float, exceeded: Exceeded | None = None) -> Response:  # noqa: ARG002
        """Answers 429 without Retry-After, which is documented nowhere."""
        policy = exceeded.limit.name if exceeded else PRIVATE_TEN_SECONDS.name
        body = errors.body(
            f"You have reached your {policy.lower()} limit.", errorType="RATE_LIMIT", requestId=uuid.uuid4().hex
        )
        return answer(body | ({"policyName": policy} if self.switches["say_policy"] else {}), 429)

    def unknown(self, call: Call) -> Response:  # noqa: ARG002
        """Answers 404."""
        return errors.not_found()

    def failure(self, status: int) -> Response:
        """Answers a server error."""
        return answer(errors.body("internal error"), status)

    def finish(self, call: Call, response: Response) -> None:
        """Says what is left of the limits, but not on searches and owners, where recordings have none."""
        response.headers["x-hubspot-correlation-id"] = str(uuid.uuid4())
        if call.path.endswith("/search") or call.path.startswith("/crm/v3/owners") or not call.client:
            return
        is_app = call.client == oauth.APP
        ten, limiter = (OAUTH_TEN_SECONDS, self.app_limiter) if is_app else (PRIVATE_TEN_SECONDS, self.limiter)
        shown = {
            "max": ten.requests, "remaining": limiter.left(call.client, ten), "interval-milliseconds": 10_000,
            "secondly": ten.requests // 10, "secondly-remaining": ten.requests // 10 - 1,
        }  # fmt: skip
        if not is_app:
            shown |= {"daily": DAILY.requests, "daily-remaining": limiter.left(call.client, DAILY)}
        for name, value in shown.items():
            response.headers[f"x-hubspot-ratelimit-{name}"] = str(value)


class _Part(Protocol):
    def routes(self) -> list[Route]: ...


def _scope(call: Call) -> str:
    """Returns the scope a call needs, "" for none."""
    if call.path.startswith("/crm/v3/owners"):
        return "crm.objects.owners.read"
    kind = object_type(call.params.get("type", ""))
    is_reading = call.method == "GET" or call.path.endswith(("/search", "/batch/read"))
    return f"crm.objects.{kind.name}.{'read' if is_reading else 'write'}" if kind else ""
