"""Contacts: a list in the plural, one in the singular, written in other names than they are read (4.2 to 4.4).

UNVERIFIED, chosen here: a created contact is answered whole with 201, a deletion with 204 and no body; a repeated POST
is refused with 409 (switch `refuse_repeats`; by default it makes a twin, as the vendor says); only the mail address is
required; a note before its time is 404; an agent who does not exist is 422.
"""

from __future__ import annotations

import hashlib
from typing import Any

from starlette.responses import Response

from pipelines.sandbox import clock
from pipelines.sandbox.crm import Crm
from pipelines.sandbox.crms._counts import Counts
from pipelines.sandbox.crms.kvcore import lists, records
from pipelines.sandbox.store import Body, Record
from pipelines.sandbox.wire import Call, Refused, Route, answer


class Contacts:
    """The contacts of one account."""

    def __init__(self, crm: Crm) -> None:
        self.crm = crm
        self.counts = Counts(crm.store)

    def routes(self) -> list[Route]:
        """Returns the routes."""
        return [
            Route("GET", "/v2/public/contacts", self.page),
            Route("GET", "/v2/public/contacts/search", self.search),
            Route("POST", "/v2/public/contact", self.create),
            Route("GET", "/v2/public/contact/{id}", self.read),
            Route("PUT", "/v2/public/contact/{id}", self.update),
            Route("DELETE", "/v2/public/contact/{id}", self.delete),
            Route("PUT", "/v2/public/contact/{id}/tags", self.tag),
            Route("PUT", "/v2/public/contact/{id}/action/note", self.note),
        ]

    def page(self, call: Call) -> Response:
        """Answers a list of the short records."""
        where, values = lists.contact_filter(call)
        page, limit = lists.window(call, self.crm)
        order = "modified desc, seq" if self.crm.switches["newest_first"] else "seq"
        found = self.crm.store.select("contacts", where, values, order=order, limit=limit, offset=(page - 1) * limit)
        rows = [self._short(record) for record in found]
        return lists.envelope(call, self.crm, rows, self.counts.of("contacts", where, values))

    def search(self, call: Call) -> Response:
        """Answers whole records whose name, mail address or number has `q` in it; in no catalogue."""
        fields = ("firstname", "lastname", "email", "phone")
        looked_at = " || ' ' || ".join(f"coalesce(body ->> '$.{field}', '')" for field in fields)
        where = f"not deleted and instr(lower({looked_at}), lower(?)) > 0"
        values = [call.query.get("q", "")]
        page, limit = lists.window(call, self.crm)
        found = self.crm.store.select("contacts", where, values, limit=limit, offset=(page - 1) * limit)
        rows = [self._whole(record) for record in found]
        return lists.envelope(call, self.crm, rows, self.counts.of("contacts", where, values))

    def read(self, call: Call) -> Response:
        """Answers one contact, bare."""
        return answer(self._whole(self._record(call)))

    def create(self, call: Call) -> Response:
        """Makes a contact, a twin if need be."""
        given = call.object(bad_body)
        wrong = records.errors(given) | self._unknown_agent(given)
        if not given.get("email"):
            wrong["email"] = ["The email field is required."]
        if wrong:
            raise Refused(lists.refusal(wrong))
        self._refuse_repeat(call)
        fresh = records.empty() | records.put_down(given)
        fresh["hashtags"] = [str(tag).strip("# ") for tag in given.get("hashtags") or []]
        # without an agent the routing rules assign one
        fresh["assigned_agent_id"] = fresh["assigned_agent_id"] or records.FIRST_USER + 1
        return answer(self._whole(self.crm.new("contacts", self.crm.new_id("contacts"), fresh)), 201)

    def _refuse_repeat(self, call: Call) -> None:
        if not self.crm.switches["refuse_repeats"]:
            return
        seen = f"posted {hashlib.sha256(call.content).hexdigest()}"
        if self.crm.store.fact(seen):
            raise Refused(lists.refusal(["This lead was already received."], 409))
        self.crm.store.note(seen, "once")

    def update(self, call: Call) -> Response:
        """Changes what is sent and answers the whole record."""
        record, given = self._record(call), call.object(bad_body)
        if wrong := records.errors(given) | self._unknown_agent(given):
            raise Refused(lists.refusal(wrong))
        return answer(self._whole(self.crm.edit(record, records.put_down(given))))

    def _unknown_agent(self, given: Body) -> dict[str, list[str]]:
        agent = given.get("assigned_agent_id")
        is_known = agent in (None, "") or self.crm.store.get("users", str(agent))
        return {} if is_known else {"assigned_agent_id": ["The selected assigned agent id is invalid."]}

    def delete(self, call: Call) -> Response:
        """Ends a contact."""
        record = self._record(call)
        record.deleted = True
        self.crm.touch(record)
        return answer(None, 204)

    def tag(self, call: Call) -> Response:
        """Adds tags, each an object `{name, locked}`; plain text fails."""
        record, tags = self._record(call), call.object(bad_body).get("tags")
        if not isinstance(tags, list) or not all(
            isinstance(tag, dict) and isinstance(tag.get("name"), str) for tag in tags
        ):
            raise Refused(lists.refusal({"tags": ["The tags must be objects with a name."]}))
        named = [tag["name"].strip("# ") for tag in tags]
        return answer(
            self._whole(self.crm.edit(record, {"hashtags": list(dict.fromkeys([*record.body["hashtags"], *named]))}))
        )

    def note(self, call: Call) -> Response:
        """Takes a note; a contact just made may not be ready for one yet (switch `note_after`)."""
        record, given = self._record(call), call.object(bad_body)
        if record.created > self.crm.clock.now() - self.crm.switches["note_after"]:
            raise Refused(lists.refusal(["Contact not found"], 404))
        named = {name: given.get(name) for name in ("date", "action_owner_user_id", "title", "details")}
        action = int(self.crm.new_id("notes"))
        self.crm.new("notes", action, named | {"contact_id": int(record.id)})
        return answer({"action_id": action} | named)

    def _record(self, call: Call) -> Record:
        record = self.crm.store.get("contacts", call.params["id"])
        if record is None or record.deleted:
            raise Refused(lists.refusal(["Contact not found"], 404))
        return record

    def _whole(self, record: Record) -> Body:
        body: dict[str, Any] = dict(record.body)
        if self.crm.switches["phone_as_integer"]:
            body["phone"] = int(body["phone"] or 0)
        if self.crm.switches["show_updated_at"]:
            body["updated_at"] = clock.iso_seconds(record.modified)
        return body

    def _short(self, record: Record) -> Body:
        """Leaves out what a list does not have; of some contacts also the names, which only the whole record has."""
        names = (*records.LIST_KEYS, "updated_at") if self.crm.switches["show_updated_at"] else records.LIST_KEYS
        whole = self._whole(record)
        nameless = self.crm.switches["nameless_every"]
        blank = {"firstname": "", "lastname": ""} if nameless and int(record.id) % nameless == 0 else {}
        return {name: whole[name] for name in names} | blank


def bad_body(problem: str) -> Response:
    """Returns the refusal of a body that is no JSON object."""
    return lists.refusal([problem], 400)
