"""Follow Up Boss v1: people, deals, events, users, pipelines, stages, custom fields.

Source: fact sheet follow_up_boss 4.1 to 4.6 (vendor documentation, and third-party code that ran against the live
service). Each module says what is UNVERIFIED in it. Not emulated: OAuth, webhooks, notes, tasks, calls, smart lists,
the pond of unclaimed leads (`includeUnclaimed` is taken and changes nothing). UNVERIFIED and chosen here: the texts of
401, 403, 404 and 429; a call counts towards `global` and towards its own context, and the headers tell of the latter; a
system key that is wrong counts as none; deals bear `createdAt` and `updatedAt` (switch `deal_times`), and whether
`updatedAfter` filters them is a switch.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from starlette.responses import Response

from pipelines.sandbox import clock
from pipelines.sandbox.crm import Crm
from pipelines.sandbox.crms.follow_up_boss import account, errors, records, schema
from pipelines.sandbox.crms.follow_up_boss.deals import Deals
from pipelines.sandbox.crms.follow_up_boss.intake import Intake
from pipelines.sandbox.crms.follow_up_boss.lists import Lists
from pipelines.sandbox.crms.follow_up_boss.people import People
from pipelines.sandbox.limits import Exceeded, Limit, Limiter
from pipelines.sandbox.store import Record
from pipelines.sandbox.wire import Call, Refused, Route, answer

GLOBAL = Limit(250, 10.0, name="global")
GLOBAL_WITHOUT = Limit(125, 10.0, name="global")
CONTEXTS = (
    Limit(20, 10.0, "/v1/events*", "GET.events", "GET"),
    Limit(25, 10.0, "/v1/people*", "PUT.people", "PUT"),
    Limit(10, 10.0, "/v1/notes*", "PUT.notes", "PUT"),
)
CONTEXTS_WITHOUT = (Limit(10, 10.0, "/v1/events*", "GET.events", "GET"),)


class Emulator(Crm):
    """One Follow Up Boss account.

    Settings: `visible_after`, seconds until lists, searches for twins and deals see a person just made; `lapsed`, the
    account is not paid: 403 but for `POST /v1/events`; `archived_sources`, lead sources that make nothing;
    `deals_updated_filter`, whether `updatedAfter` filters deals; `deal_times`, "createdAt" (with updatedAt), "created"
    (with updated) or "both".
    """

    name = "follow_up_boss"
    limits = (GLOBAL, *CONTEXTS)
    settings: ClassVar[Mapping[str, Any]] = {
        "visible_after": 0, "lapsed": False, "archived_sources": [], "deals_updated_filter": True,
        "deal_times": "createdAt",
    }  # fmt: skip
    editable: ClassVar[Mapping[str, str]] = {"people": "lastName", "deals": "name"}
    api_key = "fka-sandbox-owner-key"
    agent_key = "fka-sandbox-agent-key"
    system = "Crosswalk-Sandbox"
    system_key = "sandbox-system-key"

    def routes(self) -> list[Route]:
        """Returns the routes of all parts of the API."""
        self.without_key = Limiter((GLOBAL_WITHOUT, *CONTEXTS_WITHOUT))
        collections = Lists(self)
        people = People(collections)
        usage = [Route("GET", f"/v1/rateLimit/{what}", self.rate_limit) for what in ("usage", "limits")]
        parts = (people, Intake(people), Deals(collections), account.Account(collections))
        return [*(route for part in parts for route in part.routes()), *usage]

    def environment(self, url: str) -> dict[str, str]:
        """Returns the owner's key and a registered system."""
        return {
            "FOLLOW_UP_BOSS_API_BASE_URL": f"{url}/v1",
            "FOLLOW_UP_BOSS_API_KEY": self.api_key,
            "FOLLOW_UP_BOSS_SYSTEM": self.system,
            "FOLLOW_UP_BOSS_SYSTEM_KEY": self.system_key,
        }

    def seed(self) -> Iterator[Record]:
        """Yields users, people, deals and events."""
        for record in records.seed(self.copy):
            self.stamp(record)
            yield record

    def stamp(self, record: Record) -> None:
        """Writes id and times; times have whole seconds."""
        record.created, record.modified = math.floor(record.created), math.floor(record.modified)
        body, times = record.body, self.switches["deal_times"]
        body["id"] = int(record.id)
        created, updated = clock.iso_seconds(record.created), clock.iso_seconds(record.modified)
        if record.entity != "deals" or times in ("created", "both"):
            body |= {"created": created, "updated": updated}
        if record.entity == "deals" and times in ("createdAt", "both"):
            body |= {"createdAt": created, "updatedAt": updated}
        if record.entity == "people":
            body["name"] = " ".join(f"{body.get('firstName') or ''} {body.get('lastName') or ''}".split())
            body["lastActivity"] = body.get("lastActivity") or created

    def user_delete(self, record: Record) -> None:
        """Nothing ends here: people go to the trash, deals and users become deleted ones."""
        if record.entity == "people":
            record.body |= {"stageId": schema.TRASH[0], "stage": schema.TRASH[1]}
        elif record.entity in ("deals", "users"):
            record.body["status"] = "Deleted"
        else:
            record.deleted = True

    def reset(self) -> None:
        """Puts everything back to the beginning."""
        super().reset()
        self.without_key.forget()

    def authorize(self, call: Call) -> None:
        """Basic authentication with the key as user name; any password will do. An agent's key sees his own people."""
        key = _user_name(call.bearer("Basic"))
        if key not in (self.api_key, self.agent_key):
            raise Refused(errors.error("Invalid or missing API key.", 401))
        call.client = key
        call.memo["agent"] = account.AGENT if key == self.agent_key else None
        shown = (call.headers.get("x-system"), call.headers.get("x-system-key"))
        call.memo["registered"] = shown == (self.system, self.system_key)
        if self.switches["lapsed"] and (call.method, call.path) != ("POST", "/v1/events"):
            raise Refused(errors.error("Your account is not active.", 403))

    def _hold_to_limits(self, call: Call) -> None:
        if call.memo.get("registered") and (call.method, call.path) == ("POST", "/v1/events"):
            return
        limiter = self._limiter(call)
        if self.is_limited and (exceeded := limiter.exceeded(call.client, call.method, call.path)):
            call.memo["exceeded"] = exceeded.limit
            raise Refused(self.too_many(call, exceeded.wait, exceeded))

    def _limiter(self, call: Call) -> Limiter:
        return self.limiter if call.memo.get("registered") else self.without_key

    def too_many(self, call: Call, wait: float, exceeded: Exceeded | None = None) -> Response:  # noqa: ARG002
        """Answers 429 with Retry-After in whole seconds."""
        body = {"errorMessage": "You have exceeded the rate limit."}
        return answer(body, 429, {"Retry-After": str(max(1, math.ceil(wait)))})

    def finish(self, call: Call, response: Response) -> None:
        """Tells of the limit on every answer to somebody who is known, hence not on 401."""
        if not call.client:
            return
        limiter = self._limiter(call)
        covering = [limit for limit in limiter.limits if limit.covers(call.method, call.path)]
        shown = call.memo.get("exceeded") or covering[-1]
        for name, value in (
            ("X-RateLimit-Limit", shown.requests), ("X-RateLimit-Remaining", max(0, limiter.left(call.client, shown))),
            ("X-RateLimit-Window", int(shown.seconds)), ("X-RateLimit-Context", shown.name),
            ("FUB-Account-ID", account.ACCOUNT), ("FUB-User-ID", call.memo["agent"] or account.OWNER),
        ):  # fmt: skip
            response.headers[name] = str(value)

    def rate_limit(self, call: Call) -> Response:
        """Answers what is allowed and what is left, by context."""
        limiter = self._limiter(call)
        rows = [
            {"context": limit.name, "limit": limit.requests, "window": int(limit.seconds),
             "remaining": limiter.left(call.client, limit)}
            for limit in limiter.limits
        ]  # fmt: skip
        return answer({"rateLimits": rows})

    def unknown(self, call: Call) -> Response:
        """Answers 404, or 405 where the path takes other methods."""
        return (
            errors.error("Not found.", 404) if not self.router.knows(call.path) else errors.error("Not allowed.", 405)
        )

    def failure(self, status: int) -> Response:
        """Answers a server error."""
        return errors.error("Something went wrong.", status)


def _user_name(credentials: str) -> str:
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""
