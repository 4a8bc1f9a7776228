"""People: reading one, creating, changing, throwing away, and looking for twins (fact sheet 4.2, 4.3).

UNVERIFIED, chosen here: `source` in a PUT is passed over (the sheet says it cannot be changed); `name` alone is split
at its first blank; a stage or user that does not exist is 400; twins are looked for by e-mail first, then by telephone,
never in the trash; `checkDuplicate` answers the list of people it found.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from pipelines.sandbox.crms.follow_up_boss import errors, lists, records, schema
from pipelines.sandbox.store import Body, Record
from pipelines.sandbox.wire import Call, Route, answer

TEXTS = ("firstName", "lastName", "name", "source", "sourceUrl")
LISTS = ("tags", "emails", "phones", "addresses")
EMPTY: Body = {
    "createdVia": "API", "lastActivity": None, "name": "", "firstName": "", "lastName": "", "stage": "Lead",
    "stageId": 2, "source": "<unspecified>", "sourceUrl": None, "contacted": 0, "price": None, "assignedTo": None,
    "assignedUserId": None, "assignedLenderId": None, "tags": [], "emails": [], "phones": [], "addresses": [],
    **{custom.name: None for custom in schema.PEOPLE_CUSTOM},
}  # fmt: skip


class People:
    """The people of one account."""

    def __init__(self, collections: lists.Lists) -> None:
        self.lists = collections
        self.crm = collections.crm

    def routes(self) -> list[Route]:
        """Returns the routes; `checkDuplicate` stands before the ids."""
        return [
            Route("GET", "/v1/people", lambda call: self.lists.page(call, "people")),
            Route("POST", "/v1/people", self.create),
            Route("GET", "/v1/people/checkDuplicate", self.check_duplicate),
            Route("GET", "/v1/people/{id}", self.read),
            Route("PUT", "/v1/people/{id}", self.update),
            Route("DELETE", "/v1/people/{id}", self.delete),
        ]

    def read(self, call: Call) -> Response:
        """Answers one person; from the trash, too."""
        return answer(lists.shown("people", self._record(call).body, call.query.get("fields")))

    def create(self, call: Call) -> Response:
        """Makes a person, a twin if need be; with `deduplicate=true` answers the twin that is there, unchanged."""
        given = call.object(errors.bad_body)
        changes = self.accepted(given)
        twin = self.twin(given) if call.query.get("deduplicate", "").lower() in ("true", "1") else None
        if twin:
            return answer(lists.shown("people", twin.body, None))
        return answer(lists.shown("people", self.make(changes).body, None), 201)

    def make(self, changes: Body) -> Record:
        """Adds a person."""
        if not any(changes.get(name) for name in ("name", "firstName", "lastName", "emails", "phones")):
            raise errors.refuse("A person needs a name, an email or a phone.")
        return self.crm.new("people", self.crm.new_id("people"), EMPTY | changes)

    def update(self, call: Call) -> Response:
        """Changes what is named; tags, emails and phones are replaced, but tags are added with `mergeTags=true`."""
        record = self._record(call)
        changes = self.accepted(call.object(errors.bad_body))
        changes.pop("source", None)
        if call.query.get("mergeTags", "").lower() in ("true", "1") and "tags" in changes:
            changes["tags"] = list(dict.fromkeys([*record.body["tags"], *changes["tags"]]))
        return answer(lists.shown("people", self.crm.edit(record, changes).body, None))

    def delete(self, call: Call) -> Response:
        """Puts a person into the trash."""
        self.crm.remove(self._record(call))
        return answer(None, 204)

    def check_duplicate(self, call: Call) -> Response:
        """Answers the people with this e-mail or telephone number."""
        query = call.query
        if not (query.get("email") or query.get("phone")):
            raise errors.refuse("email or phone is required.")
        given = {"emails": [{"value": query.get("email", "")}], "phones": [{"value": query.get("phone", "")}]}
        twin = self.twin(given)
        return lists.whole(call, "people", [lists.shown("people", twin.body, None)] if twin else [])

    def twin(self, given: Body) -> Record | None:
        """Returns the oldest person with one of these addresses, else with one of these numbers."""
        looked_for = [lists.has_email(row["value"]) for row in given.get("emails") or [] if row["value"].strip()]
        looked_for += [
            lists.has_phone(row["value"]) for row in given.get("phones") or [] if records.normalized(row["value"])
        ]
        since = self.crm.clock.now() - self.crm.switches["visible_after"]
        is_there = "body ->> '$.stageId' <> 99" + (" and created <= ?" if self.crm.switches["visible_after"] else "")
        for sql, values in looked_for:
            bound = [*values, since] if self.crm.switches["visible_after"] else values
            if found := self.crm.store.select("people", f"{sql} and {is_there}", bound, limit=1):
                return found[0]
        return None

    def accepted(self, given: Body) -> Body:
        """Returns the fields of a write as they are put down; refuses unknown ones and wrong types."""
        if unknown := [name for name in given if name not in schema.PERSON_WRITE]:
            raise errors.invalid_fields(unknown)
        changes = dict(given)
        for name in TEXTS:
            if name in given:
                changes[name] = text(name, given[name])
        for name in LISTS:
            if name in given:
                changes[name] = _rows(name, given[name])
        return changes | _names(changes) | self._stage(given) | self._assignment(given)

    def _stage(self, given: Body) -> Body:
        if "stageId" in given:
            id = given["stageId"]
        elif "stage" in given:
            id = schema.STAGE_IDS.get(given["stage"]) if isinstance(given["stage"], str) else None
        else:
            return {}
        if not isinstance(id, int) or id not in schema.STAGE_NAMES:
            raise errors.refuse("Invalid stage.")
        return {"stage": schema.STAGE_NAMES[id], "stageId": id}

    def _assignment(self, given: Body) -> Body:
        if given.get("assignedUserId") is not None:
            found = self.crm.store.get("users", str(given["assignedUserId"]))
        elif given.get("assignedTo") is not None:
            named = self.crm.store.select("users", "body ->> '$.name' = ?", [given["assignedTo"]], limit=1)
            found = named[0] if named else None
        else:
            is_cleared = "assignedUserId" in given or "assignedTo" in given
            return {"assignedUserId": None, "assignedTo": None} if is_cleared else {}
        if found is None or found.body["status"] == "Deleted":
            raise errors.refuse("Invalid user.")
        return {"assignedUserId": found.body["id"], "assignedTo": found.body["name"]}

    def _record(self, call: Call) -> Record:
        record = self.crm.store.get("people", call.params["id"])
        agent = call.memo.get("agent")
        if record is None or (agent and record.body["assignedUserId"] != agent):
            raise errors.not_found()
        return record


def text(name: str, value: Any) -> str | None:
    """Returns a text, trimmed; refuses what is none."""
    if value is not None and not isinstance(value, str):
        raise errors.refuse(f"Invalid value for {name}.")
    return value.strip() if isinstance(value, str) else ("" if name in ("firstName", "lastName", "name") else None)


def _rows(name: str, value: Any) -> list[Any]:
    if value is None:
        return []
    kind = str if name == "tags" else dict
    if not isinstance(value, list) or not all(isinstance(row, kind) for row in value):
        raise errors.refuse(f"Invalid value for {name}.")
    if name == "tags":
        return list(dict.fromkeys(tag.strip() for tag in value if tag.strip()))
    if name == "addresses":
        return [{"type": "home"} | row for row in value]
    if not all(isinstance(row.get("value"), str) for row in value):
        raise errors.refuse(f"Invalid value for {name}.")
    return records.emails(value) if name == "emails" else records.phones(value)


def _names(changes: Body) -> Body:
    if changes.get("name") and not (changes.get("firstName") or changes.get("lastName")):
        first, _, last = " ".join(changes["name"].split()).partition(" ")
        return {"firstName": first, "lastName": last}
    return {}
