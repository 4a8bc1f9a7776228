"""Top Producer as the customer's contract implies it: OAuth client credentials, contacts and transactions.

Source: fact sheet topproducer 2.2 and the unified-CRM contract. The vendor publishes no API: ALL of it is UNVERIFIED.
From the sources: base `/v2`; `POST /authentication/oauth/authorize` with JSON {client_id, client_secret, grant_type} ->
{access_token, expires_in}; `GET /contacts?limit&offset&Status` and `GET /transactions?$top&$skip`, each {value: [...]}
and no total; `GET /contacts('<id>')` in OData key syntax; pages of 100; the keys of both records; no modification
filter, no times in the records, no feed of deletions.

The trap of the two paging styles: a list ignores the parameters of the other one, so whoever pages with the wrong ones
reads the first page for ever.

Chosen here, where the sources are silent: ids as in 2.2 (C-77, T-204); the single transaction; POST answers 201 with
the record, PATCH and PUT change the fields they name, DELETE 204; unknown fields are dropped; the contact's statuses
and the transaction's (2.3); only deals with an offer or more are transactions; bodies of errors; one hour for a token;
no limit of calls. Switches: `token_seconds`, `say_expires_in`, and `other_names`, transactions spelled Address,
listPrice, status, closingDate, the alternatives that 2.2 names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from starlette.responses import Response

from pipelines.sandbox import clock
from pipelines.sandbox.copies import ContactCopy, DealCopy
from pipelines.sandbox.crm import Crm
from pipelines.sandbox.store import Body, Record
from pipelines.sandbox.wire import Call, Refused, Route, answer, whole_number

PAGE = 100
PAGING = {"contacts": ("limit", "offset"), "transactions": ("$top", "$skip")}
FIELDS = {
    "contacts": (
        "FirstName", "LastName", "Email", "Phone", "Company", "JobTitle", "Status", "Notes", "ContactType",
    ),
    "transactions": (
        "PropertyAddress", "SalesPrice", "TransactionStatus", "CloseDate", "ContactId", "TransactionType",
    ),
}  # fmt: skip
OTHER_NAMES = {
    "PropertyAddress": "Address", "SalesPrice": "listPrice", "TransactionStatus": "status", "CloseDate": "closingDate",
}  # fmt: skip
CONTACT_STATUS = {
    "new": "New", "hot": "Engage", "nurture": "Future", "watch": "Future", "active": "Active", "past": "Closed",
    "inactive": "Inactive", "unqualified": "Non Client", "": None,
}  # fmt: skip
DEAL_STATUS = {"offer": "Pending", "under_contract": "Pending", "closed": "Closed/Paid", "lost": "Fell Thru"}
CONTACT_TYPE = {"buyer": "Buyer", "seller": "Seller", "seller/buyer": "Seller", "tenant": "Renter"}
WORDS = {"Status": CONTACT_STATUS.values(), "TransactionStatus": DEAL_STATUS.values()}


class Emulator(Crm):
    """Top Producer, as the customer's contract implies it."""

    name = "topproducer"
    settings: ClassVar[Mapping[str, Any]] = {"token_seconds": 3600, "say_expires_in": True, "other_names": False}
    editable: ClassVar[Mapping[str, str]] = {"contacts": "Company", "transactions": "PropertyAddress"}
    client_id = "topproducer-sandbox-client"
    client_secret = "topproducer-sandbox-secret"
    api_key = "topproducer-sandbox-key"

    def routes(self) -> list[Route]:
        """Returns the token endpoint and, for each entity, the list and calls by OData key."""
        routes = [Route("POST", "/v2/authentication/oauth/authorize", self.token, public=True)]
        for entity in PAGING:
            keyed = f"/v2/{entity}('{{id}}')"
            routes += [Route("GET", f"/v2/{entity}", self.page), Route("POST", f"/v2/{entity}", self.create)]
            routes += [Route("GET", keyed, self.read), Route("DELETE", keyed, self.delete)]
            routes += [Route(method, keyed, self.update) for method in ("PATCH", "PUT")]
        return routes

    def environment(self, url: str) -> dict[str, str]:
        """Returns the variables the unified-CRM contract names."""
        return {
            "TOPPRODUCER_API_BASE_URL": f"{url}/v2",
            "TOPPRODUCER_CLIENT_ID": self.client_id,
            "TOPPRODUCER_CLIENT_SECRET": self.client_secret,
            "TOPPRODUCER_API_KEY": self.api_key,
        }

    def seed(self) -> Iterator[Record]:
        """Yields contacts, then transactions."""
        for contact in self.copy.contacts():
            yield self._seeded("contacts", f"C-{contact.number}", contact, _contact(contact))
        for deal in self.copy.deals():
            if deal.stage in DEAL_STATUS:
                yield self._seeded("transactions", f"T-{deal.number}", deal, _transaction(deal))

    def _seeded(self, entity: str, id: str, copied: ContactCopy | DealCopy, body: Body) -> Record:
        record = Record(entity, id, body, copied.created, copied.modified, truth=copied.truth)
        self.stamp(record)
        return record

    def stamp(self, record: Record) -> None:
        """Writes the id only: the records bear no times."""
        record.body["Id"] = record.id

    def new_id(self, entity: str) -> str:
        """Returns an id like the seeded ones."""
        return f"{entity[0].upper()}-{super().new_id(entity)}"

    def token(self, call: Call) -> Response:
        """2.2: {client_id, client_secret, grant_type} -> {access_token, expires_in}."""
        given = call.object(_bad_request)
        if given.get("grant_type") != "client_credentials":
            return _error("unsupported_grant_type", "grant_type must be client_credentials", 400)
        if (given.get("client_id"), given.get("client_secret")) != (self.client_id, self.client_secret):
            return _error("invalid_client", "Invalid client_id or client_secret", 401)
        lifetime = self.switches["token_seconds"]
        granted = {"access_token": self.tokens.issue(self.client_id, lifetime), "token_type": "Bearer"}
        return answer(granted | ({"expires_in": lifetime} if self.switches["say_expires_in"] else {}))

    def authorize(self, call: Call) -> None:
        """Lets a bearer of a token pass that has not expired."""
        grant = self.tokens.grant(call.bearer())
        if grant is None:
            raise Refused(_error("unauthorized", "Invalid or expired access token", 401))
        call.client = grant.client

    def unknown(self, call: Call) -> Response:  # noqa: ARG002
        return _error("not_found", "There is no such resource", 404)

    def page(self, call: Call) -> Response:
        """2.2: the oldest first; a list knows only its own paging parameters, and contacts a filter on Status."""
        entity, query = _entity(call), call.query
        size, skipped = (query.get(name) for name in PAGING[entity])
        limit = whole_number(size, PAGE, lambda: _bad_request("the page size is no number"), low=1)
        offset = whole_number(skipped, 0, lambda: _bad_request("the offset is no number"))
        where, values = "not deleted", list[Any]()
        if entity == "contacts" and query.get("Status"):
            where, values = "not deleted and body ->> '$.Status' = ?", [query["Status"]]
        found = self.store.select(entity, where, values, limit=min(limit, PAGE), offset=offset)
        return answer({"value": [self._shown(record) for record in found]})

    def _shown(self, record: Record) -> Body:
        names = OTHER_NAMES if self.switches["other_names"] else {}
        return {names.get(name, name): value for name, value in record.body.items()}

    def read(self, call: Call) -> Response:
        """2.2: contacts('<id>') -> the record."""
        return answer(self._shown(self._record(call)))

    def create(self, call: Call) -> Response:
        """Adds a record and answers it whole."""
        entity = _entity(call)
        given = self._accepted(entity, call)
        if not any(value not in (None, "") for value in given.values()):
            return _bad_request("the record is empty")
        record = self.new(entity, self.new_id(entity), dict.fromkeys(FIELDS[entity]) | given)
        return answer(self._shown(record), 201)

    def update(self, call: Call) -> Response:
        """Changes the fields named in the body and answers the record whole."""
        record = self._record(call)
        return answer(self._shown(self.edit(record, self._accepted(record.entity, call))))

    def delete(self, call: Call) -> Response:
        """Deletes a record for good; nothing lists it afterwards."""
        self.remove(self._record(call))
        return answer(None, 204)

    def _record(self, call: Call) -> Record:
        """In an OData key an apostrophe is written twice."""
        record = self.store.get(_entity(call), call.params["id"].replace("''", "'"))
        if record is None or record.deleted:
            raise Refused(_error("not_found", "There is no such record", 404))
        return record

    def _accepted(self, entity: str, call: Call) -> Body:
        """Keeps the fields there are, trimmed, mail in small letters; refuses what cannot be."""
        sent = call.object(_bad_request)
        given = {name: sent[name] for name in FIELDS[entity] if name in sent}
        given |= {name: value.strip() for name, value in given.items() if isinstance(value, str)}
        if isinstance(given.get("Email"), str):
            given["Email"] = given["Email"].lower()
        if wrong := [name for name, value in given.items() if not _fits(name, value)]:
            raise Refused(_bad_request(f"{wrong[0]} is not valid"))
        client = given.get("ContactId")
        if client is not None and not self.store.count("contacts", "not deleted and id = ?", [str(client)]):
            raise Refused(_bad_request("ContactId does not exist"))
        return given


def _contact(copied: ContactCopy) -> Body:
    return {
        "FirstName": copied.first_name or None,
        "LastName": f"{copied.last_name} {copied.suffix}".strip(),
        "Email": copied.email or None,
        "Phone": copied.phone or None,
        "Company": copied.company or None,
        "JobTitle": copied.job_title or None,
        "Status": CONTACT_STATUS[copied.stage],
        "Notes": copied.notes or None,
        "ContactType": CONTACT_TYPE[copied.intent],
    }


def _transaction(copied: DealCopy) -> Body:
    home = copied.property.address
    return {
        "PropertyAddress": f"{home.street}{f' {home.unit}' if home.unit else ''}, {home.city}, {home.state}",
        "SalesPrice": copied.amount,
        "TransactionStatus": DEAL_STATUS[copied.stage],
        "CloseDate": clock.iso_date(copied.deal.closes),
        "ContactId": f"C-{copied.contacts[0][0]}",
        "TransactionType": copied.deal.side.capitalize(),
    }


def _fits(name: str, value: object) -> bool:
    if value in (None, ""):
        return True
    if name == "SalesPrice":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if not isinstance(value, str) or (name in WORDS and value not in WORDS[name]):
        return False
    shape = {"Email": r"[^@\s]+@[^@\s]+", "CloseDate": r"\d{4}-\d\d-\d\d.*"}.get(name, r"(?s).*")
    return re.fullmatch(shape, value) is not None


def _entity(call: Call) -> str:
    return call.template.split("/")[2].partition("(")[0]


def _error(code: str, message: str, status: int) -> Response:
    return answer({"error": {"code": code, "message": message}}, status)


def _bad_request(problem: str) -> Response:
    return _error("bad_request", problem, 400)
