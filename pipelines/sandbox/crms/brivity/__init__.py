"""Brivity as the customer's contract has it ("picture A"): OAuth client credentials, pages of 100 contacts and deals.

Source: fact sheet brivity 1.1 and 1.6, the unified-CRM contract. Brivity publishes no specification of this API: ALL of
it is UNVERIFIED against the vendor. From the contract: base `/v1`, `POST /auth/oauth/token`, `GET /contacts` with
limit, offset, status, search -> {contacts, total}, `GET /deals` with limit, offset, status, stage -> {deals, total},
single records, POST, PUT, at most 100 a page, 401, 404, 422, 429 with Retry-After.

Chosen here, where the contract is silent: contacts spelled in snake_case and deals as 1.6 lists them first (closeDate,
contactId), with created and updated times in each spelling; ids are numbers; the statuses of the live service (1.2);
PUT changes the fields it names and drops unknown ones; DELETE; the bodies of errors; ten calls a second; whether
`updated_since` is honoured (a switch; by default it is ignored).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from starlette.responses import Response

from pipelines.sandbox import clock
from pipelines.sandbox.copies import ContactCopy, DealCopy
from pipelines.sandbox.crm import Crm
from pipelines.sandbox.crms.brivity import records
from pipelines.sandbox.limits import Exceeded, Limit
from pipelines.sandbox.store import Body, Record
from pipelines.sandbox.wire import Call, Refused, Route, answer, whole_number

PAGE = 100
FILTERS = {"contacts": ("status",), "deals": ("status", "stage")}
SEARCHED = ("first_name", "last_name", "email", "phone", "company")


class Emulator(Crm):
    """Brivity, picture A.

    Settings: `honour_updated_since`; `token_seconds`, the lifetime of a token, and `say_expires_in`, whether the answer
    says so; `newest_first`, lists by modification time, so that an edit moves a record to another page;
    `delete_to_trash`, a user's deletion is the status `trash` rather than the end.
    """

    name = "brivity"
    limits = (Limit(10, 1.0, name="calls a second"),)
    settings: ClassVar[Mapping[str, Any]] = {
        "honour_updated_since": False,
        "token_seconds": 3600,
        "say_expires_in": True,
        "newest_first": False,
        "delete_to_trash": False,
    }
    editable: ClassVar[Mapping[str, str]] = {"contacts": "company", "deals": "name"}
    client_id = "brivity-sandbox-client"
    client_secret = "brivity-sandbox-secret"
    api_key = "brivity-sandbox-key"

    def routes(self) -> list[Route]:
        """Returns the token endpoint and five calls for each entity."""
        routes = [Route("POST", "/v1/auth/oauth/token", self.token, public=True)]
        for entity in ("contacts", "deals"):
            routes += [
                Route("GET", f"/v1/{entity}", self.page),
                Route("POST", f"/v1/{entity}", self.create),
                Route("GET", f"/v1/{entity}/{{id}}", self.read),
                Route("PUT", f"/v1/{entity}/{{id}}", self.update),
                Route("DELETE", f"/v1/{entity}/{{id}}", self.delete),
            ]
        return routes

    def environment(self, url: str) -> dict[str, str]:
        """Returns the variables the unified-CRM contract names."""
        return {
            "BRIVITY_API_BASE_URL": f"{url}/v1",
            "BRIVITY_CLIENT_ID": self.client_id,
            "BRIVITY_CLIENT_SECRET": self.client_secret,
            "BRIVITY_API_KEY": self.api_key,
        }

    def seed(self) -> Iterator[Record]:
        """Yields contacts, then deals."""
        for contact in self.copy.contacts():
            yield self._seeded("contacts", contact, records.contact(contact))
        for deal in self.copy.deals():
            yield self._seeded("deals", deal, records.deal(deal))

    def _seeded(self, entity: str, copied: ContactCopy | DealCopy, body: Body) -> Record:
        id = str(records.FIRST_ID + copied.number)
        record = Record(entity, id, body, copied.created, copied.modified, truth=copied.truth)
        self.stamp(record)
        return record

    def stamp(self, record: Record) -> None:
        """Writes id and times, each entity in its own spelling."""
        is_contact = record.entity == "contacts"
        record.body["id"] = int(record.id)
        record.body["created_at" if is_contact else "createdAt"] = clock.iso_millis(record.created)
        record.body["updated_at" if is_contact else "updatedAt"] = clock.iso_millis(record.modified)

    def user_delete(self, record: Record) -> None:
        """Deletes for good, or puts into the trash."""
        if self.switches["delete_to_trash"] and record.entity == "contacts":
            record.body["status"] = "trash"
        else:
            record.deleted = True

    def token(self, call: Call) -> Response:
        """Answers {grant_type, client_id, client_secret} with {access_token, expires_in} (1.1); a form will do, too."""
        given = call.form() if "form" in call.headers.get("content-type", "") else call.object(_bad_request)
        if given.get("grant_type") != "client_credentials":
            return answer({"error": "unsupported_grant_type"}, 400)
        if (given.get("client_id"), given.get("client_secret")) != (self.client_id, self.client_secret):
            return answer({"error": "invalid_client", "message": "Invalid client_id or client_secret"}, 401)
        lifetime = self.switches["token_seconds"]
        granted = {"access_token": self.tokens.issue(self.client_id, lifetime), "token_type": "Bearer"}
        return answer(granted | ({"expires_in": lifetime} if self.switches["say_expires_in"] else {}))

    def authorize(self, call: Call) -> None:
        """Lets a bearer of a token pass that has not expired."""
        grant = self.tokens.grant(call.bearer())
        if grant is None:
            raise Refused(answer({"error": "Unauthorized", "message": "Invalid or expired access token"}, 401))
        call.client = grant.client

    def too_many(self, call: Call, wait: float, exceeded: Exceeded | None = None) -> Response:  # noqa: ARG002
        """Answers 429; Retry-After is in whole seconds."""
        return answer({"error": "Too Many Requests"}, 429, {"Retry-After": str(max(1, round(wait + 0.5)))})

    def page(self, call: Call) -> Response:
        """Answers a list, oldest record first; more than 100 a page are cut to 100."""
        entity, query = _entity(call), call.query
        limit = whole_number(query.get("limit"), PAGE, lambda: _invalid({"limit": ["is not a number"]}), low=1)
        offset = whole_number(query.get("offset"), 0, lambda: _invalid({"offset": ["is not a number"]}))
        where, values = self._filter(entity, query)
        order = "modified desc, seq" if self.switches["newest_first"] else "seq"
        found = self.store.select(entity, where, values, order=order, limit=min(limit, PAGE), offset=offset)
        return answer({entity: [r.body for r in found], "total": self.store.count(entity, where, values)})

    def _filter(self, entity: str, query: dict[str, str]) -> tuple[str, list[Any]]:
        """`search` looks into names, e-mail, phone and company of contacts."""
        where, values = ["not deleted"], list[Any]()
        for field in FILTERS[entity]:
            if query.get(field):
                where.append(f"body ->> '$.{field}' = ?")
                values.append(query[field])
        if entity == "contacts" and query.get("search"):
            looked_at = " || ' ' || ".join(f"coalesce(body ->> '$.{field}', '')" for field in SEARCHED)
            where.append(f"instr(lower({looked_at}), lower(?)) > 0")
            values.append(query["search"])
        if query.get("updated_since") and self.switches["honour_updated_since"]:
            where.append("modified >= ?")
            values.append(_time(query["updated_since"]))
        return " and ".join(where), values

    def read(self, call: Call) -> Response:
        """Answers one record."""
        return answer(self._record(call).body)

    def create(self, call: Call) -> Response:
        """Adds a record and answers it whole, as put down."""
        entity = _entity(call)
        given = self._accepted(entity, call)
        if lacking := records.missing(entity, given):
            return _invalid(lacking)
        return answer(self.new(entity, self.new_id(entity), dict.fromkeys(records.FIELDS[entity]) | given).body, 201)

    def update(self, call: Call) -> Response:
        """Changes the fields named in the body and answers the record whole, as put down."""
        record = self._record(call)
        return answer(self.edit(record, self._accepted(record.entity, call)).body)

    def delete(self, call: Call) -> Response:
        """Deletes a record."""
        self.remove(self._record(call))
        return answer(None, 204)

    def _record(self, call: Call) -> Record:
        record = self.store.get(_entity(call), call.params["id"])
        if record is None or record.deleted:
            raise Refused(answer({"error": "Not Found"}, 404))
        return record

    def _accepted(self, entity: str, call: Call) -> Body:
        given = records.as_put_down(entity, call.object(_bad_request))
        wrong = records.errors(entity, given)
        contact = given.get("contactId")
        if contact is not None and not self.store.count("contacts", "not deleted and id = ?", [str(contact)]):
            wrong["contactId"] = ["does not exist"]
        if wrong:
            raise Refused(_invalid(wrong))
        return given


def _entity(call: Call) -> str:
    return call.template.split("/")[2]


def _invalid(errors: dict[str, list[str]]) -> Response:
    return answer({"error": "Validation failed", "errors": errors}, 422)


def _bad_request(problem: str) -> Response:
    return answer({"error": "Bad Request", "message": problem}, 400)


def _time(text: str) -> float:
    try:
        return clock.parse_time(text)
    except ValueError:
        raise Refused(_invalid({"updated_since": ["is not a time"]})) from None
