"""Calls for contacts, their search and merge, users, suburbs."""

from __future__ import annotations

from starlette.responses import Response

from pipelines.sandbox.crm import Crm
from pipelines.sandbox.crms.vaultre import people, suburbs
from pipelines.sandbox.crms.vaultre.envelope import filtered, invalid, listed, missing, page
from pipelines.sandbox.store import Body, Record
from pipelines.sandbox.wire import Call, Refused, Route, answer

SORTABLE = ("firstName", "lastName", "inserted", "modified", "touched")
_EMAIL = "exists (select 1 from json_each(body, '$.emails') where lower(trim(value)) = lower(trim(?)))"
_DIGITS = "value ->> '$.number'"
for _sign in " -().+":
    _DIGITS = f"replace({_DIGITS}, '{_sign}', '')"
_PHONE = f"exists (select 1 from json_each(body, '$.phoneNumbers') where {_DIGITS} = ?)"
_NAME = "instr(lower(body ->> '$.displayName'), lower(?)) > 0"


class ContactCalls:
    """The part of the API that is about people."""

    def __init__(self, crm: Crm) -> None:
        self.crm = crm

    def routes(self) -> list[Route]:
        """Returns the routes."""
        return [
            Route("GET", "/contacts", self.listing),
            Route("POST", "/contacts", self.create),
            Route("POST", "/contacts/merge", self.merge),
            Route("GET", "/contacts/{id}", self.read),
            Route("PUT", "/contacts/{id}", self.update),
            Route("DELETE", "/contacts/{id}", self.delete),
            Route("GET", "/contacts/{id}/merged", self.merged),
            Route("GET", "/search/contacts/{by}", self.search),
            Route("GET", "/account/users", self.users),
            Route("GET", "/account/users/{id}", self.user),
            Route("GET", "/suburbs", self.suburbs),
            Route("GET", "/suggest/suburb", self.suggest),
        ]

    def listing(self, call: Call) -> Response:
        """3.2: filters archived, entityType, marketingUser, accessBy; arrays joined by commas."""
        where, values = filtered(call, self.crm.switches["modified_since_inclusive"])
        if archived := call.query.get("archived"):
            where.append("(body ->> '$.archived') = ?")
            values.append(int(archived == "true"))
        for name, path in (("entityType", "body ->> '$.entityType.id'"), ("marketingUser", "u.value ->> '$.id'")):
            if ids := listed(call.query.get(name, "")):
                fits = f"{path} in ({', '.join('?' * len(ids))})"
                is_user = name == "marketingUser"
                where.append(
                    f"exists (select 1 from json_each(body, '$.marketingUsers') u where {fits})" if is_user else fits
                )
                values += [int(id) if id.isdigit() else -1 for id in ids]
        return page(self.crm, call, "contacts", (where, values), _short, sortable=SORTABLE)

    def read(self, call: Call) -> Response:
        """3.4: the single form adds accessBy and sourceOfEnquiry."""
        return answer(self.record(call.params["id"]).body)

    def create(self, call: Call) -> Response:
        """3.5: 201 with the contact."""
        given = people.accepted(call.object(invalid), self.user_of)
        body = people.EMPTY | people.READ_ONLY | given
        if not any(body[name] for name in ("firstName", "lastName", "company", "emails", "phoneNumbers")):
            return invalid("a contact needs a name, a company, an email or a phone number")
        return answer(self.crm.new("contacts", self.crm.new_id("contacts"), body).body, 201)

    def update(self, call: Call) -> Response:
        """3.5: PUT; whether it is partial is UNVERIFIED, hence the switch `put_replaces`."""
        record = self.record(call.params["id"])
        given = people.accepted(call.object(invalid), self.user_of)
        base = people.EMPTY if self.crm.switches["put_replaces"] else {}
        return answer(self.crm.edit(record, base | given).body)

    def delete(self, call: Call) -> Response:
        """3.5: 204; nothing lists it afterwards (3.3)."""
        record = self.record(call.params["id"])
        record.deleted = True
        self.crm.touch(record)
        return answer(None, 204)

    def search(self, call: Call) -> Response:
        """3.2: email and phone match exactly, name in part; term is required; another shape than a contact's."""
        condition = {"email": _EMAIL, "phone": _PHONE, "name": _NAME}.get(call.params["by"])
        term = call.query.get("term", "").strip()
        if condition is None:
            return missing("search")
        if not term:
            return invalid("term is required")
        value = "".join(filter(str.isdigit, term)) if condition is _PHONE else term
        return page(self.crm, call, "contacts", (["not deleted", condition], [value]), lambda r: people.found(r.body))

    def merge(self, call: Call) -> Response:
        """3.5: 202 {requestid, message}; done later. The names of the request's fields are UNVERIFIED."""
        given = call.object(invalid)
        pair = [self.record(str(given.get(name))) for name in ("primaryContactId", "duplicateContactId")]
        if pair[0].id == pair[1].id:
            return invalid("the contacts are the same")
        due = self.crm.clock.now() + self.crm.switches["merge_seconds"]
        number = self.crm.store.next_number("merges", 1)
        body = {"survivor": pair[0].id, "duplicate": pair[1].id, "due": due, "done": False}
        self.crm.store.add(Record("merges", str(number), body, due, due))
        return answer({"requestid": f"merge-{number}", "message": "Merge request accepted"}, 202)

    def settle(self) -> None:
        """Carries out the merges that are due."""
        store = self.crm.store
        for merge in store.select("merges", "modified <= ? and not (body ->> '$.done')", [self.crm.clock.now()]):
            survivor, duplicate = (store.get("contacts", merge.body[role]) for role in ("survivor", "duplicate"))
            merge.body["done"] = True
            with store.transaction():
                store.save(merge)
                if survivor and duplicate and not (survivor.deleted or duplicate.deleted):
                    both = {
                        name: survivor.body[name]
                        + [one for one in duplicate.body[name] if one not in survivor.body[name]]
                        for name in ("emails", "phoneNumbers")
                    }
                    self.crm.edit(survivor, both)
                    duplicate.deleted = True
                    self.crm.touch(duplicate)

    def merged(self, call: Call) -> Response:
        """3.3: ids merged into a survivor."""
        where = ["body ->> '$.survivor' = ?", "body ->> '$.done'"]
        return page(
            self.crm, call, "merges", (where, [self.record(call.params["id"]).id]),
            lambda r: {"id": int(r.body["duplicate"])},
        )  # fmt: skip

    def users(self, call: Call) -> Response:
        """3.2: the users of the account."""
        return page(self.crm, call, "users", (["not deleted"], []), lambda r: r.body)

    def user(self, call: Call) -> Response:
        """Answers one user."""
        record = self.crm.store.get("users", call.params["id"])
        return answer(record.body) if record else missing("user")

    def user_of(self, id: object) -> Body | None:
        """Returns {id, name} of a user."""
        record = self.crm.store.get("users", str(id))
        return {"id": id, "name": f"{record.body['firstName']} {record.body['lastName']}"} if record else None

    def suburbs(self, call: Call) -> Response:  # noqa: ARG002
        """3.5: all suburbs of the country; its envelope is UNVERIFIED."""
        return answer({"items": suburbs.everywhere()})

    def suggest(self, call: Call) -> Response:
        """Spec: term is a part of the name or the exact postcode."""
        term = call.query.get("term", "").strip()
        if not term:
            return invalid("term is required")
        found = suburbs.suggest(term)
        return answer({
            "items": found[:50], "totalItems": len(found), "totalPages": 1,
            "urls": {"self": f"{call.origin}{call.path}?{call.query_string}", "next": None, "previous": None},
        })  # fmt: skip

    def record(self, id: str) -> Record:
        """Returns a contact that is there; merged and deleted ones are 404."""
        record = self.crm.store.get("contacts", id)
        if record is None or record.deleted:
            raise Refused(missing("contact"))
        return record


def _short(record: Record) -> Body:
    return {name: value for name, value in record.body.items() if name not in people.ONLY_SINGLE}
