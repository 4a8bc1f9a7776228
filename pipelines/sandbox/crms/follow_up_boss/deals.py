"""Deals: `peopleIds` and `userIds` are written, `people` and `users` are read (fact sheet 4.2, 4.3).

Name and stage are required; the pipeline follows from the stage, and naming it is refused as any unknown field, just
as the singular `personId` is. UNVERIFIED: that `status` can be written; how dates come back (here midnight, with Z);
that a deal that was deleted can still be read by its id.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from pipelines.sandbox import clock
from pipelines.sandbox.crms.follow_up_boss import errors, lists, schema
from pipelines.sandbox.store import Body, Record
from pipelines.sandbox.wire import Call, Route, answer

IDS = {"people": "peopleIds", "users": "userIds"}


class Deals:
    """The deals of one account."""

    def __init__(self, collections: lists.Lists) -> None:
        self.lists = collections
        self.crm = collections.crm

    def routes(self) -> list[Route]:
        """Returns the routes."""
        return [
            Route("GET", "/v1/deals", lambda call: self.lists.page(call, "deals")),
            Route("POST", "/v1/deals", self.create),
            Route("GET", "/v1/deals/{id}", self.read),
            Route("PUT", "/v1/deals/{id}", self.update),
            Route("DELETE", "/v1/deals/{id}", self.delete),
        ]

    def read(self, call: Call) -> Response:
        """Answers one deal."""
        return answer(lists.shown("deals", self._record(call).body, call.query.get("fields")))

    def create(self, call: Call) -> Response:
        """Makes a deal."""
        given = call.object(errors.bad_body)
        changes = self._accepted(given)
        if not changes.get("name") or "stageId" not in changes:
            raise errors.refuse("name and stageId are required.")
        empty = dict.fromkeys((*schema.DEAL_NUMBERS, *schema.DEAL_DATES, "description"))
        empty |= {custom.name: None for custom in schema.DEAL_CUSTOM}
        fresh = empty | {"status": "Active", "people": [], "users": []} | changes
        made = self.crm.new("deals", self.crm.new_id("deals"), fresh)
        return answer(lists.shown("deals", made.body, None), 201)

    def update(self, call: Call) -> Response:
        """Changes what is named; people and users are replaced."""
        record = self._record(call)
        changes = self._accepted(call.object(errors.bad_body))
        return answer(lists.shown("deals", self.crm.edit(record, changes).body, None))

    def delete(self, call: Call) -> Response:
        """Gives a deal the status Deleted."""
        self.crm.remove(self._record(call))
        return answer(None, 204)

    def _record(self, call: Call) -> Record:
        record = self.crm.store.get("deals", call.params["id"])
        if record is None:
            raise errors.not_found()
        return record

    def _accepted(self, given: Body) -> Body:
        if unknown := [name for name in given if name not in schema.DEAL_WRITE]:
            raise errors.invalid_fields(unknown)
        changes = {name: value for name, value in given.items() if name not in ("peopleIds", "userIds")}
        for name in schema.DEAL_NUMBERS:
            if isinstance(given.get(name), bool) or not isinstance(given.get(name), int | float | None):
                raise errors.refuse(f"Invalid value for {name}.")
        for name in schema.DEAL_DATES:
            if name in given:
                changes[name] = _date(name, given[name])
        if "name" in given:
            changes["name"] = _name(given["name"])
        if "status" in given and given["status"] not in schema.DEAL_STATUS:
            raise errors.refuse("Invalid status.")
        changes |= {"people": self._linked("people", given["peopleIds"])} if "peopleIds" in given else {}
        changes |= {"users": self._linked("users", given["userIds"])} if "userIds" in given else {}
        return changes | (_stage(given["stageId"]) if "stageId" in given else {})

    def _linked(self, entity: str, ids: Any) -> list[Body]:
        """Returns {id, name} of each; a person just made is not found yet (switch `visible_after`)."""
        rows = []
        for id in dict.fromkeys(ids) if isinstance(ids, list) and all(isinstance(id, int) for id in ids) else [None]:
            found = self.crm.store.get(entity, str(id))
            lag = self.crm.switches["visible_after"] if entity == "people" else 0
            if found is None or (lag and found.created > self.crm.clock.now() - lag):
                raise errors.refuse(f"Invalid value for {IDS[entity]}: {id}.")
            rows.append({"id": id, "name": found.body["name"]})
        return rows


def _stage(id: Any) -> Body:
    stage = schema.DEAL_STAGES_BY_ID.get(id) if isinstance(id, int) else None
    if stage is None:
        raise errors.refuse("Invalid stageId.")
    return {
        "stageId": stage.id, "stageName": stage.name, "pipelineId": stage.pipeline,
        "pipelineName": schema.PIPELINES[stage.pipeline],
    }  # fmt: skip


def _date(name: str, value: Any) -> str | None:
    if value in (None, ""):
        return None
    try:
        return clock.iso_date(clock.parse_time(str(value))) + "T00:00:00Z"
    except ValueError:
        raise errors.refuse(f"Invalid value for {name}.") from None


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise errors.refuse("Invalid value for name.")
    return value.strip()
